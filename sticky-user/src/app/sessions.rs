//! The end of sessions, when a worker drains: none is left out, and every client comes back.
//!
//! [`SocketIo::close`] alone would leave two kinds of clients behind. It knows only those that
//! have joined a namespace: one that is just about to is told "Invalid namespace", which the
//! official client takes for final. And a session that has not joined keeps its long-polling
//! request open.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use socketioxide::SocketIo;
use socketioxide::adapter::Adapter;
use socketioxide::extract::SocketRef;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::debug;

use crate::worker::Draining;

/// How long a client that has opened a session may take to join: it does so at once, so this is
/// for the way there and back.
const JOIN_LIMIT: Duration = Duration::from_secs(1);

/// The Socket.IO sessions of a worker, closed in order when it drains: no new one is opened, those
/// being opened are awaited, then all are closed at the transport, after which clients reconnect.
#[derive(Clone, Debug)]
pub struct Sessions {
    draining: Draining,
    joining: TaskTracker,
    closed: CancellationToken,
}

/// Travels with the request that opens a session, until the client has joined or is gone.
#[derive(Clone)]
struct Joining(Arc<Mutex<Option<TaskTrackerToken>>>);

impl Sessions {
    /// For the worker that tells `draining`.
    pub fn new(draining: Draining) -> Self {
        Self { draining, joining: TaskTracker::new(), closed: CancellationToken::new() }
    }

    /// Puts the sessions' door before `router`, which has the Socket.IO layer already.
    pub fn layer(self, router: Router) -> Router {
        router.layer(from_fn_with_state(self, door))
    }

    /// To be said first of all in the connect handler.
    pub fn joined<A: Adapter>(socket: &SocketRef<A>) {
        if let Some(Joining(token)) = socket.req_parts().extensions.get() {
            token.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }

    /// Waits until the worker drains, then closes all sessions.
    pub async fn close_on_drain<A: Adapter>(self, io: SocketIo<A>) {
        self.draining.begun().await;
        self.joining.close();
        if timeout(JOIN_LIMIT, self.joining.wait()).await.is_err() {
            debug!("{} sessions were opened and never joined", self.joining.len());
        }
        // Whoever joins even later is connected and closed again, rather than turned away.
        let late = io.clone();
        if let Err(error) = io.dyn_ns("/", async move || late.close().await) {
            debug!("clients that join now are turned away: {error}");
        }
        io.close().await;
        self.closed.cancel();
    }
}

async fn door(State(sessions): State<Sessions>, mut request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/socket.io/") {
        return next.run(request).await;
    }
    let query = request.uri().query().unwrap_or_default();
    if !query.split('&').any(|parameter| parameter.starts_with("sid=")) {
        let token = sessions.joining.token();
        if sessions.draining.has_begun() {
            return try_again();
        }
        request.extensions_mut().insert(Joining(Arc::new(Mutex::new(Some(token)))));
    }
    tokio::select! {
        biased;
        response = next.run(request) => response,
        // Engine.IO's packet "close", which answers a long-polling request.
        () = sessions.closed.cancelled() => "1".into_response(),
    }
}

/// The next attempt needs a connection of its own, to get to the next worker.
fn try_again() -> Response {
    let text = "this worker is about to end: connect again\n";
    (StatusCode::SERVICE_UNAVAILABLE, [(header::CONNECTION, "close")], text).into_response()
}
