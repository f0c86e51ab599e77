//! The end of Socket.IO sessions when a worker drains: no client is left behind, each comes back by
//! itself, and no request fails.
//!
//! `io.close()` alone leaves clients behind, and lets requests fail. It closes all sessions at once;
//! a request of a session that it has closed is told "Session ID unknown", and a client that was
//! just about to join a namespace "Invalid namespace", which the official client takes for final.
//!
//! ```no_run
//! # use axum::Router;
//! # use socketioxide::SocketIo;
//! # use socketioxide::extract::SocketRef;
//! use sticky_worker::{Worker, sessions};
//! # use sticky_worker::Error;
//!
//! # async fn example(worker: Worker) -> Result<(), Error> {
//! let (layer, io) = SocketIo::new_layer();
//! io.ns("/", async |socket: SocketRef| sessions::joined(&socket));
//! let routes = sessions::close_on_drain(&worker, io, Router::new().layer(layer));
//! worker.serve(routes).await
//! # }
//! ```

mod close;
mod door;
mod polling;
mod registry;
mod request;
mod session;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use socketioxide::SocketIo;
use socketioxide::adapter::Adapter;
use socketioxide::extract::SocketRef;

use self::door::Door;
use self::registry::Registry;
use self::session::Session;
use super::Worker;
use sticky_bus::backlog::Backlogs;

/// Closes the sessions of `io` when the worker drains. `routes` have the layer of `io` already,
/// and every connect handler begins with [`joined`].
///
/// Sessions are closed one after the other, so that their clients do not all come back at once: a
/// waiting long-polling request is answered and a WebSocket ended as the protocol has it, after
/// which the official client connects anew. No session is opened meanwhile: a client that comes is told
/// to come again when the next worker accepts.
///
/// # Panics
///
/// Outside of a tokio runtime.
pub fn close_on_drain<A: Adapter>(worker: &Worker, io: SocketIo<A>, routes: Router) -> Router {
    let registry = Arc::new(Registry::new(worker.draining(), worker.lease.clone()));
    let engine = &io.config().engine_config;
    Backlogs::of_this_process().fit(engine.max_buffer_size);
    let drain = worker.drain.clone();
    let door = Door::new(&engine.req_path, engine.max_payload, Arc::clone(&registry), drain);
    tokio::spawn(close::when_drained(
        worker.drain.clone(),
        registry,
        io,
        worker.drain.first.token(),
    ));
    routes.layer(from_fn_with_state(door, door::pass))
}

/// Says that a client has joined: what a connect handler does first.
pub fn joined<A: Adapter>(socket: &SocketRef<A>) {
    if let Some(session) = socket.req_parts().extensions.get::<Arc<Session>>() {
        session.backlog.named(socket.id);
        session.joined();
    }
}
