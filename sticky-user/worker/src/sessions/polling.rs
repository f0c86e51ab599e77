//! What a client that polls has to do with its session's account.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tokio::task::yield_now;

use super::engine::{Engine, forget};
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

/// A client brings packets, at most so many bytes: the engine gets a few at a time, as many as may be
/// answered, and all of them only when the client fetches meanwhile.
pub(super) async fn bring(
    session: &Session,
    request: Request,
    most: usize,
    engine: &dyn Engine,
) -> Response {
    let (head, body) = request.into_parts();
    let bytes = body.size_hint().exact().map_or(most, |bytes| bytes.try_into().unwrap_or(most));
    session.backlog.may_bring(0, bytes.min(most)).await;
    let Ok(body) = to_bytes(body, most).await else {
        forget(head.uri, engine).await;
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let at_once = session.backlog.unfetched();
    let mut rest = body;
    loop {
        let ends = rest.iter().enumerate().filter(|(_, byte)| **byte == SEPARATOR);
        let end = ends.map(|(at, _)| at).nth(at_once.saturating_sub(1));
        let few = rest.split_to(end.unwrap_or(rest.len()));
        let packets = few.split(|byte| *byte == SEPARATOR).count();
        session.backlog.may_bring(packets, 0).await;
        let response = engine.answer(Request::from_parts(head.clone(), few.into())).await;
        if end.is_none() || !response.status().is_success() {
            return response;
        }
        let _ = rest.split_to(1);
        // Those that answer get their turn.
        yield_now().await;
    }
}

/// Lets the engine forget the session at `uri` when it is given up.
pub(super) fn forgotten_when_given_up(engine: &Arc<dyn Engine>, session: &Arc<Session>, uri: &str) {
    let Ok(uri) = uri.parse::<Uri>() else { return };
    let (engine, weak) = (Arc::downgrade(engine), Arc::downgrade(session));
    session.backlog.on_end(move || {
        let Some(session) = weak.upgrade() else { return };
        // A WebSocket that it went over to is closed by its connection.
        if session.has_upgraded() {
            return;
        }
        session.given_up();
        if let Some(engine) = engine.upgrade() {
            tokio::spawn(async move { forget(uri, &*engine).await });
        }
    });
}

/// Where the client of the session polls that is to be upgraded at `uri`.
pub(super) fn uri_of(uri: &Uri) -> Uri {
    let polling = uri.to_string().replace("transport=websocket", "transport=polling");
    polling.parse().unwrap_or_default()
}
