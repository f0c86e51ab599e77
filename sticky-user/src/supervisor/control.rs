//! The control socket: HTTP over a Unix socket in the private directory.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::error;

use super::metrics;
use super::status::Status;

/// How many requests may wait for the supervisor.
const WAITING: usize = 16;

/// What is asked of the supervisor, with the place for its answer.
#[derive(Debug)]
pub(super) enum Request {
    Status(oneshot::Sender<Status>),
}

/// The server of the control socket. It ends when dropped.
#[derive(Debug)]
pub(super) struct Control {
    requests: mpsc::Receiver<Request>,
    server: JoinHandle<()>,
}

impl Control {
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        let (sender, requests) = mpsc::channel(WAITING);
        let router = Router::new()
            .route("/status", get(status))
            .route("/metrics", get(metrics))
            .with_state(sender);
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                error!("the control socket is closed: {error}");
            }
        });
        Ok(Self { requests, server })
    }

    /// Waits for the next request; for ever when none can come.
    pub(super) async fn next(&mut self) -> Request {
        match self.requests.recv().await {
            Some(request) => request,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.server.abort();
    }
}

type Requests = State<mpsc::Sender<Request>>;

async fn status(requests: Requests) -> Result<Json<Status>, StatusCode> {
    ask(requests).await.map(Json)
}

async fn metrics(requests: Requests) -> Result<impl IntoResponse, StatusCode> {
    let text = metrics::text(&ask(requests).await?);
    let text = text.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}

async fn ask(State(requests): Requests) -> Result<Status, StatusCode> {
    let (answer, answered) = oneshot::channel();
    let ending = StatusCode::SERVICE_UNAVAILABLE;
    requests.send(Request::Status(answer)).await.map_err(|_| ending)?;
    answered.await.map_err(|_| ending)
}
