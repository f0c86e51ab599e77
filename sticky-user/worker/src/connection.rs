//! The life of one connection.
//!
//! ```text
//! accepted ─► [PROXY header] ─► [TLS] ─► head ─► hyper, for this request ─► idle ─► head ─► …
//!                                                 └─► a WebSocket
//! ```
//!
//! Between two requests there is nothing but the socket: what hyper keeps for a connection is given back
//! after each request, and what it had read of the next one is read again.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use tokio::time::sleep;

use super::Draining;
use super::Timeouts;
use super::idle::{Awaited, Idle};
use super::limit::Place;
use super::stream::{Stream, Transport};
use super::{early, head, http};

/// What all connections of a worker have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) router: Router,
    pub(crate) draining: Draining,
    pub(crate) idle: Idle,
    pub(crate) timeouts: Timeouts,
}

/// Serves a client over `io` until one of both closes, or the connection becomes something else.
pub(crate) async fn serve<S: Transport>(
    io: S,
    peer: SocketAddr,
    place: Place,
    shared: Arc<Shared>,
) {
    // A PROXY header, which says who `peer` is, and TLS, which makes another `S` of `io`, come here.
    let mut stream = Stream::new(io, place, shared.timeouts.answer);
    #[expect(clippy::disallowed_methods, reason = "what the client may take")]
    let mut timer = pin!(sleep(shared.timeouts.head));
    let mut awaited = Awaited::FirstRequest;
    while head::read(&mut stream, awaited, timer.as_mut(), &shared).await.is_some() {
        // In places of their own: a connection that is idle, or polls, is to be small.
        let answer = match early::poll_of(&stream.ahead) {
            Some(poll) => {
                let answer = Box::pin(early::answer(poll, &mut stream, peer, &shared)).await;
                if answer.is_none() {
                    return;
                }
                answer
            }
            None => None,
        };
        let round = Box::pin(http::serve_one(stream, peer, answer, timer.as_mut(), &shared));
        let Some(rest) = round.await else { return };
        (stream, awaited) = (rest, Awaited::NextRequest);
    }
}
