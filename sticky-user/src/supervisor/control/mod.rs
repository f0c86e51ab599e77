//! The control socket: HTTP over a Unix socket in the private directory.

mod listener;

use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tracing::error;

use self::listener::OwnUser;
use super::metrics;
use super::progress::Progress;
use super::status::Status;
use crate::keeper::CONTROL;
use crate::steering::Kept;

/// How many requests may wait for the supervisor.
const WAITING: usize = 16;

/// What is asked of the supervisor, with the place for its answer.
#[derive(Debug)]
pub(super) enum Request {
    Status(oneshot::Sender<Status>),
    Reload(oneshot::Sender<Result<mpsc::UnboundedReceiver<Progress>, Reason>>),
    /// Answered only where it is refused, or fails: otherwise another program answers next.
    Upgrade(Option<PathBuf>, oneshot::Sender<Reason>),
    Stop(oneshot::Sender<()>),
}

/// Why something is not done, in words.
pub(super) type Reason = String;

/// What `POST /upgrade` takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Upgrade {
    /// The program that is to take over; `null` for the file that the supervisor was started from.
    pub program: Option<PathBuf>,
}

/// The server of the control socket. It ends when dropped.
#[derive(Debug)]
pub(super) struct Control {
    requests: mpsc::Receiver<Request>,
    sender: mpsc::Sender<Request>,
    listener: OwnedFd,
    server: JoinHandle<()>,
}

impl Control {
    /// Serves on a socket that listens.
    pub(super) fn of(listener: OwnedFd) -> io::Result<Self> {
        let (sender, requests) = mpsc::channel(WAITING);
        let (listener, server) = serve(listener, sender.clone())?;
        Ok(Self { requests, sender, listener, server })
    }

    /// Serves on another socket; clients that are connected already get an answer.
    pub(super) fn renew(&mut self, listener: OwnedFd) -> io::Result<()> {
        let (listener, server) = serve(listener, self.sender.clone())?;
        self.listener = listener;
        std::mem::replace(&mut self.server, server).abort();
        Ok(())
    }

    /// Takes over the socket that an earlier supervisor left, with the clients that wait for an answer.
    pub(super) fn resume(left: &mut Kept) -> io::Result<Self> {
        Self::of(left.remove(CONTROL).ok_or(io::ErrorKind::NotFound)?)
    }

    /// Adds a duplicate to what is kept for the next supervisor.
    pub(super) fn keep(&self, kept: &mut Kept) -> io::Result<()> {
        kept.insert(CONTROL.into(), self.listener.try_clone()?);
        Ok(())
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

/// Serves in the background; the listener is given back, to be kept.
fn serve(
    listener: OwnedFd,
    sender: mpsc::Sender<Request>,
) -> io::Result<(OwnedFd, JoinHandle<()>)> {
    let kept = listener.try_clone()?;
    let listener = UnixListener::from_std(listener.into())?;
    let router = Router::new()
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .route("/reload", post(reload))
        .route("/upgrade", post(upgrade))
        .route("/stop", post(stop))
        .with_state(sender);
    let server = tokio::spawn(async move {
        if let Err(error) = axum::serve(OwnUser(listener), router).await {
            error!("the control socket is closed: {error}");
        }
    });
    Ok((kept, server))
}

type Requests = State<mpsc::Sender<Request>>;

async fn status(requests: Requests) -> Result<Json<Status>, StatusCode> {
    ask(requests, Request::Status).await.map(Json)
}

async fn metrics(requests: Requests) -> Result<impl IntoResponse, StatusCode> {
    let text = metrics::text(&ask(requests, Request::Status).await?);
    let text = text.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}

/// A line of JSON for each step. The reload goes on without the client.
async fn reload(requests: Requests) -> Result<impl IntoResponse, (StatusCode, String)> {
    let begun = ask(requests, Request::Reload).await.map_err(|status| (status, String::new()))?;
    let steps = begun.map_err(|refused| (StatusCode::CONFLICT, refused))?;
    let lines = UnboundedReceiverStream::new(steps).map(|step| {
        let line = serde_json::to_string(&step).unwrap_or_default() + "\n";
        Ok::<_, Infallible>(line)
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)))
}

async fn upgrade(
    requests: Requests,
    Json(Upgrade { program }): Json<Upgrade>,
) -> (StatusCode, String) {
    match ask(requests, |answer| Request::Upgrade(program, answer)).await {
        Ok(refused) => (StatusCode::CONFLICT, refused),
        Err(status) => (status, String::new()),
    }
}

async fn stop(requests: Requests) -> Result<StatusCode, StatusCode> {
    ask(requests, Request::Stop).await.map(|()| StatusCode::ACCEPTED)
}

async fn ask<T>(
    State(requests): Requests,
    request: impl FnOnce(oneshot::Sender<T>) -> Request,
) -> Result<T, StatusCode> {
    let (answer, answered) = oneshot::channel();
    let ending = StatusCode::SERVICE_UNAVAILABLE;
    requests.send(request(answer)).await.map_err(|_| ending)?;
    answered.await.map_err(|_| ending)
}
