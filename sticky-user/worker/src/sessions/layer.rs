//! The session layer: what every request to Engine.IO passes.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{MatchedPath, OriginalUri, Request, State};
use axum::http::request::Parts;
use axum::http::{self, HeaderName, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::engine::{CLOSE, Engine, forget};
use super::polling;
use super::registry::{Known, Registry};
use super::request::{Kind, opened};
use super::session::Session;
use crate::drain::Drain;
use crate::upgrade::{Refusal, Upgrade, compact, compact_uri};
use crate::websocket::{Abandoned, Websocket, WebsocketStream};

/// What the engine says to packets that it takes.
const TAKEN: &str = "ok";

/// How long a client that comes to a worker which drains is kept waiting until the next one accepts.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Headers that say how a WebSocket begins, and nothing to the session that it carries.
const OF_THE_CONNECTION: [HeaderName; 5] = [
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_EXTENSIONS,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
];

/// Stands before one engine.
#[derive(Clone)]
pub(super) struct SessionLayer {
    engine: Arc<dyn Engine>,
    /// As much as a client may send at once.
    most: usize,
    registry: Arc<Registry>,
    drain: Drain,
}

impl SessionLayer {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        most: u64,
        registry: Arc<Registry>,
        drain: Drain,
    ) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Self { engine, most, registry, drain }
    }

    /// A worker that drains opens no session, which would end at once: its client is to connect anew.
    /// It is told so when the next worker accepts.
    async fn turn_away(&self, status: StatusCode) -> Response {
        // A client that waits for longer may come here again.
        let _ = timeout(LONGEST_WAIT, self.drain.queue_empty.cancelled()).await;
        status.into_response()
    }

    async fn open_polling(&self, request: Request) -> Response {
        let uri = request.uri().clone();
        let session = self.registry.open_polling();
        let (mut head, body) = request.into_parts();
        keep(&mut head, &session);
        let response = self.engine.answer(Request::from_parts(head, body)).await;
        if !response.status().is_success() {
            return response;
        }
        let (head, body) = response.into_parts();
        // The engine's own answer, which is short and all there.
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        if let Some(id) = opened(&body) {
            self.registry.name(&session, &id);
            let uri = format!("{uri}&sid={id}");
            polling::forgotten_when_given_up(&self.engine, &session, &uri);
        }
        Response::from_parts(head, body.into())
    }

    /// A session begins with a WebSocket.
    async fn open_websocket(&self, mut request: Request) -> Response {
        let (upgrade, answer) = match Upgrade::of(&mut request) {
            Ok(Some(upgrade)) => upgrade,
            Ok(None) => return self.engine.answer(request).await,
            Err(refusal) => return refusal.into_response(),
        };
        let (session, websocket) = self.registry.open_websocket();
        let uri = request.uri().clone();
        let (mut head, _) = request.into_parts();
        for header in OF_THE_CONNECTION {
            head.headers.remove(header);
        }
        keep(&mut head, &session);
        drop(session);
        self.take(WebsocketStream::new(upgrade, websocket, None), head, answer, uri).await
    }

    /// A session that polled goes over to a WebSocket.
    async fn upgrade(&self, session: Known, mut request: Request) -> Response {
        let (upgrade, answer) = match Upgrade::of(&mut request) {
            Ok(Some(upgrade)) => upgrade,
            Ok(None) => return self.engine.answer(request).await,
            Err(refusal) => return refusal.into_response(),
        };
        let uri = request.uri().clone();
        let session = match session {
            Known::Here(session) => session,
            // The engine says so only to a client that polls: it would answer a WebSocket, and drop it.
            Known::Ended | Known::Unknown => return self.ask(polling::uri_of(&uri)).await,
        };
        let Some((websocket, abandoned)) = self.upgrade_of(&session, &uri) else {
            return Refusal::BadRequest.into_response();
        };
        drop(session);
        // The engine knows the session's own head, and drops this one only at the end.
        let (mut head, ()) = http::Request::new(()).into_parts();
        head.uri = compact_uri(&uri);
        self.take(WebsocketStream::new(upgrade, websocket, Some(abandoned)), head, answer, uri)
            .await
    }

    /// What an upgrade of this session needs: one that fails half-way ends the session, of which the
    /// client would hear nothing more. `None` for a second one, which the engine must not get: it would
    /// hear the client there alone, and the first one no longer.
    fn upgrade_of(&self, session: &Arc<Session>, uri: &Uri) -> Option<(Arc<Websocket>, Abandoned)> {
        let websocket = session.upgrades(self.registry.joining.token())?;
        let (uri, engine) = (polling::uri_of(uri), Arc::clone(&self.engine));
        let abandoned = move || {
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move { forget(uri, &*engine).await });
            }
        };
        Some((websocket, Box::new(abandoned)))
    }

    async fn take(
        &self,
        stream: WebsocketStream,
        head: Parts,
        answer: Response,
        uri: Uri,
    ) -> Response {
        if self.engine.take(Box::new(stream), http::Request::from_parts(head, ())) {
            return answer;
        }
        self.ask(uri).await
    }

    /// The engine says what is wrong with a request.
    async fn ask(&self, uri: Uri) -> Response {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = uri;
        self.engine.answer(request).await
    }

    async fn bring(&self, session: Known, request: Request) -> Response {
        match session {
            Known::Unknown => self.engine.answer(request).await,
            Known::Here(session) if !session.has_ended() => {
                let response = polling::bring(&session, request, self.most, &*self.engine).await;
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

    /// What waits for the client goes to it before the session ends.
    async fn fetch(&self, session: &Session, request: Request) -> Response {
        // Copied: most polls wait for long.
        let uri = compact_uri(request.uri());
        let response = tokio::select! {
            biased;
            response = polling::fetch(session, self.engine.answer(request)) => Some(response),
            () = session.told() => None,
        };
        match response {
            Some(response) if response.status().is_success() || !session.is_told() => response,
            _ => {
                session.ended();
                forget(uri, &*self.engine).await;
                CLOSE.into_response()
            }
        }
    }
}

pub(super) async fn pass(State(layer): State<SessionLayer>, request: Request) -> Response {
    let drains = layer.drain.draining.has_begun();
    match Kind::of(&request) {
        // Over a connection that was kept, browsers take it for what it is: they send the request
        // again over a new one, of which nobody notices anything.
        Kind::OpensPolling if drains => layer.turn_away(StatusCode::REQUEST_TIMEOUT).await,
        Kind::OpensWebsocket if drains => layer.turn_away(StatusCode::SERVICE_UNAVAILABLE).await,
        Kind::OpensPolling => layer.open_polling(request).await,
        Kind::OpensWebsocket => layer.open_websocket(request).await,
        Kind::Upgrades(id) => {
            let session = layer.registry.find(id);
            layer.upgrade(session, request).await
        }
        Kind::Brings(id) => {
            let session = layer.registry.find(id);
            layer.bring(session, request).await
        }
        Kind::Fetches(id) => match layer.registry.find(id) {
            Known::Here(session) if !session.has_ended() => layer.fetch(&session, request).await,
            Known::Here(_) | Known::Ended => CLOSE.into_response(),
            Known::Unknown => layer.engine.answer(request).await,
        },
        Kind::Other => layer.engine.answer(request).await,
    }
}

/// The engine keeps this head for as long as the session lives, and `session` with it.
fn keep(head: &mut Parts, session: &Arc<Session>) {
    compact(head);
    // What the router noted: the one for its own use, the other with a part of hyper's buffer.
    head.extensions.remove::<MatchedPath>();
    if let Some(OriginalUri(uri)) = head.extensions.remove()
        && uri != head.uri
    {
        head.extensions.insert(OriginalUri(compact_uri(&uri)));
    }
    head.extensions.insert(Arc::clone(session));
}
