//! What every request to Engine.IO passes.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::polling;
use super::registry::{Known, Registry};
use super::request::{Kind, opened};
use super::session::Session;
use crate::drain::Drain;
use crate::websocket::Websocket;

/// Engine.IO's packet "close": the client gives up the session and connects anew.
const CLOSE: &str = "1";

/// What the engine says to packets that it takes.
const TAKEN: &str = "ok";

/// How long a client that comes to a worker which drains is kept waiting until the next one accepts.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub(super) struct Door {
    path: Arc<str>,
    /// As much as a client may send at once.
    most: usize,
    registry: Arc<Registry>,
    drain: Drain,
}

impl Door {
    pub(super) fn new(path: &str, most: u64, registry: Arc<Registry>, drain: Drain) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Self { path: path.into(), most, registry, drain }
    }

    /// A worker that drains opens no session, which would end at once: its client is to connect anew.
    /// It is told so when the next worker accepts.
    async fn turn_away(&self, status: StatusCode) -> Response {
        // One that waits for longer may come here again.
        let _ = timeout(LONGEST_WAIT, self.drain.queue_empty.cancelled()).await;
        status.into_response()
    }

    fn concerns(&self, uri: &Uri) -> bool {
        let rest = uri.path().strip_prefix(&*self.path);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    async fn open_polling(&self, mut request: Request, next: Next) -> Response {
        let uri = request.uri().clone();
        let session = self.registry.open_polling();
        request.extensions_mut().insert(Arc::clone(&session));
        let response = next.clone().run(request).await;
        if !response.status().is_success() {
            return response;
        }
        let (head, body) = response.into_parts();
        // The engine's own answer, which is short and all there.
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        if let Some(id) = opened(&body) {
            self.registry.name(&session, &id);
            polling::forgotten_when_given_up(
                &self.registry,
                &session,
                &format!("{uri}&sid={id}"),
                next,
            );
        }
        Response::from_parts(head, body.into())
    }

    async fn bring(&self, session: Known, request: Request, next: Next) -> Response {
        match session {
            Known::Unknown => next.run(request).await,
            Known::Here(session) if !session.has_ended() => {
                let response = polling::bring(&session, request, self.most, next).await;
                let ended = session.is_told() && !response.status().is_success();
                if ended { TAKEN.into_response() } else { response }
            }
            Known::Here(_) | Known::Ended => {
                // Read to the end, or the client would not get to read the answer.
                let _: Bytes = to_bytes(request.into_body(), self.most).await.unwrap_or_default();
                TAKEN.into_response()
            }
        }
    }
}

pub(super) async fn pass(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    if !door.concerns(request.uri()) {
        return next.run(request).await;
    }
    let websocket = request.extensions().get::<Arc<Websocket>>().cloned();
    let drains = door.drain.draining.has_begun();
    match (Kind::of(&request), websocket) {
        // Over a connection that was kept, browsers take it for what it is: they send the request
        // again over a new one, of which nobody notices anything.
        (Kind::OpensPolling, _) if drains => door.turn_away(StatusCode::REQUEST_TIMEOUT).await,
        (Kind::OpensWebsocket, _) if drains => {
            door.turn_away(StatusCode::SERVICE_UNAVAILABLE).await
        }
        (Kind::OpensPolling, _) => door.open_polling(request, next).await,
        (Kind::OpensWebsocket, Some(websocket)) => {
            websocket.requested();
            let session = door.registry.open_websocket(websocket);
            request.extensions_mut().insert(session);
            next.run(request).await
        }
        (Kind::Upgrades(id), Some(websocket)) => {
            if let Known::Here(session) = door.registry.find(id) {
                websocket.upgrades(door.registry.joining.token());
                session.upgrades_to(websocket);
            }
            next.run(request).await
        }
        (Kind::Brings(id), _) => {
            let session = door.registry.find(id);
            door.bring(session, request, next).await
        }
        (Kind::Fetches(id), _) => match door.registry.find(id) {
            Known::Unknown => next.run(request).await,
            Known::Here(session) if !session.has_ended() => fetch(&session, request, next).await,
            Known::Here(_) | Known::Ended => CLOSE.into_response(),
        },
        _ => next.run(request).await,
    }
}

/// What waits for the client goes to it before the session ends.
async fn fetch(session: &Session, request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let response = tokio::select! {
        biased;
        response = polling::fetch(session, next.clone().run(request)) => Some(response),
        () = session.told() => None,
    };
    match response {
        Some(response) if response.status().is_success() || !session.is_told() => response,
        _ => {
            session.ended();
            forget(uri, next).await;
            CLOSE.into_response()
        }
    }
}

/// Lets the engine end the session as if the client had asked for it, which runs the application's
/// disconnect handlers.
pub(super) async fn forget(uri: Uri, next: Next) {
    let mut request = Request::new(Body::from(CLOSE));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    // It may have done so already.
    let _ = next.run(request).await;
}
