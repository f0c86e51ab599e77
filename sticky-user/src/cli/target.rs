//! Which running supervisor is meant, and asking it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::block_on;
use super::values::address;
use crate::supervisor::default_control;
use crate::supervisor::status::Status;

/// Options that name a running supervisor.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// The address that the supervisor serves, by whose port its control socket is found
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:3000", env = "STICKY_LISTEN")]
    #[arg(value_parser = address)]
    listen: SocketAddr,

    /// The control socket of the supervisor, where it was started with this option
    #[arg(long, value_name = "PATH", env = "STICKY_CONTROL")]
    control: Option<PathBuf>,
}

/// A supervisor cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum TargetError {
    #[error(
        "no supervisor answers at {}; name another with --listen or --control, \
         or start one with `sticky run`", .path.display()
    )]
    NotRunning { path: PathBuf, source: std::io::Error },
    #[error("cannot ask the supervisor at {}", .path.display())]
    Http { path: PathBuf, source: hyper::Error },
    #[error("the supervisor at {} answered {status}; is it of another version?", .path.display())]
    Refused { path: PathBuf, status: StatusCode },
    #[error("cannot read the answer of the supervisor at {}", .path.display())]
    Answer { path: PathBuf, source: serde_json::Error },
    #[error("cannot start the runtime")]
    Runtime(#[source] std::io::Error),
}

impl Target {
    fn path(&self) -> PathBuf {
        self.control.clone().unwrap_or_else(|| default_control(self.listen.port()))
    }

    /// The supervisor's status.
    pub(super) fn status(&self) -> Result<Status, TargetError> {
        let path = self.path();
        let body = block_on(get(&path, "/status")).map_err(TargetError::Runtime)??;
        serde_json::from_slice(&body).map_err(|source| TargetError::Answer { path, source })
    }
}

async fn get(path: &Path, resource: &str) -> Result<Bytes, TargetError> {
    let http = |source| TargetError::Http { path: path.into(), source };
    let stream = UnixStream::connect(path)
        .await
        .map_err(|source| TargetError::NotRunning { path: path.into(), source })?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
    // Ends with the sender; what goes wrong with it the sender tells too.
    tokio::spawn(connection);
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = resource.parse().unwrap_or_default();
    request
        .headers_mut()
        .insert(hyper::header::HOST, hyper::header::HeaderValue::from_static("sticky"));
    let response = sender.send_request(request).await.map_err(http)?;
    let status = response.status();
    if !status.is_success() {
        return Err(TargetError::Refused { path: path.into(), status });
    }
    Ok(response.into_body().collect().await.map_err(http)?.to_bytes())
}
