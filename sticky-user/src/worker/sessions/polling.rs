//! What a client that polls has to do with its session's account.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::{Uri, header};
use axum::middleware::Next;
use axum::response::Response;

use super::door::forget;
use super::registry::Registry;
use super::session::Session;

/// Between two packets of a payload.
const SEPARATOR: u8 = 0x1e;

/// The engine's answer to a client that fetches, which is put down to the session's account.
pub(super) async fn fetch(session: &Session, answer: impl Future<Output = Response>) -> Response {
    let mut answer = pin!(answer);
    let at_once = poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await;
    let response = match at_once {
        Poll::Ready(response) => response,
        // It waits because there is nothing.
        Poll::Pending => {
            session.backlog.waits(true);
            let waits = Waits(session);
            let response = answer.await;
            drop(waits);
            response
        }
    };
    let (head, body) = response.into_parts();
    // What was compressed on its way says nothing of what it was.
    let counts = body.size_hint().exact().is_some()
        && !head.headers.contains_key(header::CONTENT_ENCODING)
        && head.status.is_success();
    if !counts {
        return Response::from_parts(head, body);
    }
    // The engine's own answer, which is all there.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let packets = body.split(|byte| *byte == SEPARATOR).count();
    session.backlog.took(packets, body.len());
    Response::from_parts(head, Body::from(body))
}

struct Waits<'a>(&'a Session);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.backlog.waits(false);
    }
}

/// Waits until a client that brings packets is to be heard.
pub(super) fn may_bring<'a>(
    session: &'a Session,
    request: &Request,
) -> impl Future<Output = ()> + Send + use<'a> {
    let bytes = request.body().size_hint().lower();
    session.backlog.may_bring(usize::try_from(bytes).unwrap_or(usize::MAX))
}

/// Lets the engine forget the session at `uri` when it is given up.
pub(super) fn forgotten_when_given_up(
    registry: &Arc<Registry>,
    session: &Arc<Session>,
    uri: &str,
    next: Next,
) {
    let Ok(uri) = uri.parse::<Uri>() else { return };
    registry.engine.get_or_init(|| next);
    let (registry, weak) = (Arc::downgrade(registry), Arc::downgrade(session));
    session.backlog.on_end(move || {
        let Some(session) = weak.upgrade() else { return };
        // A WebSocket that it went over to is closed by its connection.
        if session.has_upgraded() {
            return;
        }
        session.given_up();
        if let Some(engine) = registry.upgrade().and_then(|registry| registry.engine.get().cloned())
        {
            tokio::spawn(forget(uri, engine));
        }
    });
}
