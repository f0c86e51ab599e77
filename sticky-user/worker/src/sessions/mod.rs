//! Sessions of Socket.IO, and their end when a worker drains: no client is left behind, each comes back by
//! itself, and no request fails.
//!
//! `io.close()` alone leaves clients behind, and lets requests fail. It closes all sessions at once;
//! a request of a session that it has closed is told "Session ID unknown", and a client that was
//! just about to join a namespace "Invalid namespace", which the official client takes for final.

mod close;
mod engine;
mod layer;
mod polling;
mod registry;
mod request;
mod session;

use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use socketioxide::adapter::Adapter;
use socketioxide::{SocketIo, SocketIoBuilder};

use self::engine::Nothing;
use self::layer::SessionLayer;
use self::registry::Registry;
use super::Worker;

impl Worker {
    /// Adds Socket.IO to `routes`, at the path that `socketio` has, and closes its sessions when the
    /// worker drains. An application may call it again with another path.
    ///
    /// Sessions are closed one after the other, so that their clients do not all come back at once: a
    /// waiting long-polling request is answered and a WebSocket ended as the protocol has it, after
    /// which the official client connects anew. No session is opened meanwhile: a client that comes is
    /// told to come again when the next worker accepts.
    ///
    /// A `ws_read_buffer_size` of 512 saves 3.5 kB for each WebSocket, and costs only where clients send much.
    ///
    /// ```no_run
    /// # use axum::Router;
    /// # use sticky_worker::{Error, Worker};
    /// use socketioxide::SocketIo;
    /// use socketioxide::extract::SocketRef;
    ///
    /// # async fn example(worker: Worker) -> Result<(), Error> {
    /// let builder = SocketIo::builder().ws_read_buffer_size(512);
    /// let (routes, io) = worker.socketio(builder, Router::new());
    /// io.ns("/", async |socket: SocketRef| println!("{} is here", socket.id));
    /// worker.serve(routes).await
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, and where `routes` has the path already.
    #[must_use = "the router that is returned is the one to serve"]
    pub fn socketio<A: Adapter>(
        &self,
        socketio: SocketIoBuilder<A>,
        routes: Router,
    ) -> (Router, SocketIo<A>) {
        let (engine, io) = socketio.build_with_inner_svc(Nothing);
        let config = &io.config().engine_config;
        self.backlogs.fit(config.max_buffer_size);
        let drain = self.drain.clone();
        let backlogs = self.backlogs.clone();
        let registry = Arc::new(Registry::new(self.draining(), self.lease.clone(), backlogs));
        let layer = SessionLayer::new(
            Arc::new(engine),
            config.max_payload,
            Arc::clone(&registry),
            drain.clone(),
        );
        let path = config.req_path.trim_end_matches('/').to_owned();
        let first = drain.first.token();
        tokio::spawn(close::when_drained(drain, registry, io.clone(), first));

        let sessions = any(layer::pass).with_state(layer);
        let routes = routes
            .route(&format!("{path}/"), sessions.clone())
            .route(&format!("{path}/{{*rest}}"), sessions.clone());
        (if path.is_empty() { routes } else { routes.route(&path, sessions) }, io)
    }
}
