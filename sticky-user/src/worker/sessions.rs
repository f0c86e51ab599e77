//! The end of Socket.IO sessions when a worker drains: no client is left behind, and each comes
//! back by itself.
//!
//! `io.close()` alone leaves clients behind. It knows those that have joined a namespace; one that
//! was just about to is told "Invalid namespace", which the official client takes for final.
//!
//! ```no_run
//! # use axum::Router;
//! # use socketioxide::SocketIo;
//! # use socketioxide::extract::SocketRef;
//! use sticky_user::worker::{Worker, sessions};
//! # use sticky_user::worker::Error;
//!
//! # async fn example(worker: Worker) -> Result<(), Error> {
//! let (layer, io) = SocketIo::new_layer();
//! io.ns("/", async |socket: SocketRef| sessions::joined(&socket));
//! let routes = sessions::close_on_drain(&worker, io, Router::new().layer(layer));
//! worker.serve(routes).await
//! # }
//! ```

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri, header};
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

use super::{Draining, Worker};

/// How long a client that has opened a WebSocket may take to join. It does so at once, so this is
/// for the way there and back.
const JOIN_LIMIT: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Sessions {
    path: Arc<str>,
    draining: Draining,
    joining: TaskTracker,
    closed: CancellationToken,
}

/// Travels with the request that opens a WebSocket, until the client has joined or is gone.
#[derive(Clone)]
struct Joining(Arc<Mutex<Option<TaskTrackerToken>>>);

/// Closes the sessions of `io` when the worker drains. `routes` have the layer of `io` already,
/// and every connect handler begins with [`joined`].
///
/// From then on no session is opened, clients that have just opened one may still join, then all
/// are closed: a waiting long-polling request is answered and a WebSocket ended as the protocol
/// has it, after which the official client connects anew.
///
/// # Panics
///
/// Outside of a tokio runtime.
pub fn close_on_drain<A: Adapter>(worker: &Worker, io: SocketIo<A>, routes: Router) -> Router {
    let sessions = Sessions {
        path: (*io.config().engine_config.req_path).into(),
        draining: worker.draining(),
        joining: TaskTracker::new(),
        closed: CancellationToken::new(),
    };
    tokio::spawn(sessions.clone().close(io));
    routes.layer(from_fn_with_state(sessions, door))
}

/// Says that a client has joined: what a connect handler does first.
pub fn joined<A: Adapter>(socket: &SocketRef<A>) {
    if let Some(Joining(token)) = socket.req_parts().extensions.get() {
        token.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Sessions {
    async fn close<A: Adapter>(self, io: SocketIo<A>) {
        self.draining.begun().await;
        self.joining.close();
        if timeout(JOIN_LIMIT, self.joining.wait()).await.is_err() {
            debug!("{} sessions were opened and not joined", self.joining.len());
        }
        // Whoever joins even later is let in and closed again, rather than turned away for ever.
        for late in ["/", "/{*name}"] {
            let again = io.clone();
            if let Err(error) = io.dyn_ns(late, async move || again.close().await) {
                debug!("clients that join {late} from now on are turned away: {error}");
            }
        }
        io.close().await;
        self.closed.cancel();
    }

    fn concerns(&self, uri: &Uri) -> bool {
        let rest = uri.path().strip_prefix(&*self.path);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

async fn door(State(sessions): State<Sessions>, mut request: Request, next: Next) -> Response {
    if !sessions.concerns(request.uri()) {
        return next.run(request).await;
    }
    let query = request.uri().query().unwrap_or_default();
    if !query.split('&').any(|parameter| parameter.starts_with("sid=")) {
        // Taken before the look at `draining`, so that none slips through between the two.
        let token = sessions.joining.token();
        if sessions.draining.has_begun() {
            return try_again();
        }
        // Long-polling needs no waiting for: its next request is refused or answered below.
        if query.contains("transport=websocket") {
            request.extensions_mut().insert(Joining(Arc::new(Mutex::new(Some(token)))));
        }
    }
    tokio::select! {
        biased;
        response = next.run(request) => response,
        // Engine.IO's packet "close": the answer to a long-polling request that still waits.
        () = sessions.closed.cancelled() => "1".into_response(),
    }
}

/// The next attempt needs a connection of its own, to get to the next worker.
fn try_again() -> Response {
    let text = "this worker is about to end: connect again\n";
    (StatusCode::SERVICE_UNAVAILABLE, [(header::CONNECTION, "close")], text).into_response()
}
