//! Which running supervisor is meant, and asking it.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::block_on;
use super::values::address;
use crate::supervisor::default_control;
use crate::supervisor::progress::Progress;
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
    NotRunning { path: PathBuf, source: io::Error },
    #[error("cannot ask the supervisor at {}", .path.display())]
    Http { path: PathBuf, source: hyper::Error },
    #[error("the supervisor at {} answered {status}; is it of another version?", .path.display())]
    Refused { path: PathBuf, status: StatusCode },
    #[error("the supervisor at {} refuses: {why}", .path.display())]
    Conflict { path: PathBuf, why: String },
    #[error("cannot read the answer of the supervisor at {}", .path.display())]
    Answer { path: PathBuf, source: serde_json::Error },
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
}

impl Target {
    fn path(&self) -> PathBuf {
        self.control.clone().unwrap_or_else(|| default_control(self.listen.port()))
    }

    /// The supervisor's status.
    pub(super) fn status(&self) -> Result<Status, TargetError> {
        let body = self.with(async |path| {
            let answer = successful(path, ask(path, Method::GET, "/status", None).await?).await?;
            Ok(answer.into_body().collect().await.map_err(http(path))?.to_bytes())
        })?;
        serde_json::from_slice(&body)
            .map_err(|source| TargetError::Answer { path: self.path(), source })
    }

    /// Asks for something to be done.
    pub(super) fn post(&self, resource: &str, body: Option<Vec<u8>>) -> Result<(), TargetError> {
        self.with(async |path| {
            successful(path, ask(path, Method::POST, resource, body).await?).await.map(drop)
        })
    }

    /// Asks for something after which the supervisor is another program: why it is not done.
    pub(super) fn refused(
        &self,
        resource: &str,
        body: Vec<u8>,
    ) -> Result<Option<String>, TargetError> {
        self.with(async |path| match ask(path, Method::POST, resource, Some(body)).await {
            Ok(answer) => match successful(path, answer).await {
                Err(TargetError::Conflict { why, .. }) => Ok(Some(why)),
                answer => answer.map(|_| None),
            },
            Err(TargetError::Http { .. }) => Ok(None),
            Err(error) => Err(error),
        })
    }

    /// Asks for a reload and tells each step of it.
    pub(super) fn reload(&self, mut step: impl FnMut(Progress)) -> Result<(), TargetError> {
        self.with(async |path| {
            let answer = ask(path, Method::POST, "/reload", None).await?;
            let mut body = successful(path, answer).await?.into_body();
            let mut text = Vec::new();
            while let Some(frame) = body.frame().await {
                let Ok(data) = frame.map_err(http(path))?.into_data() else {
                    continue;
                };
                text.extend_from_slice(&data);
                while let Some(end) = text.iter().position(|&byte| byte == b'\n') {
                    let line: Vec<u8> = text.drain(..=end).collect();
                    step(
                        serde_json::from_slice(&line)
                            .map_err(|source| TargetError::Answer { path: path.into(), source })?,
                    );
                }
            }
            Ok(())
        })
    }

    fn with<T>(
        &self,
        work: impl AsyncFnOnce(&Path) -> Result<T, TargetError>,
    ) -> Result<T, TargetError> {
        let path = self.path();
        block_on(work(&path)).map_err(TargetError::Runtime)?
    }
}

fn http(path: &Path) -> impl Fn(hyper::Error) -> TargetError {
    move |source| TargetError::Http { path: path.into(), source }
}

async fn ask(
    path: &Path,
    method: Method,
    resource: &str,
    body: Option<Vec<u8>>,
) -> Result<Response<Incoming>, TargetError> {
    let stream = UnixStream::connect(path)
        .await
        .map_err(|source| TargetError::NotRunning { path: path.into(), source })?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(http(path))?;
    // Ends with the sender; what goes wrong with it the sender tells too.
    tokio::spawn(connection);
    let mut request = Request::new(Full::<Bytes>::from(body.unwrap_or_default()));
    *request.method_mut() = method;
    *request.uri_mut() = resource.parse().unwrap_or_default();
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("sticky"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    sender.send_request(request).await.map_err(http(path))
}

async fn successful(
    path: &Path,
    answer: Response<Incoming>,
) -> Result<Response<Incoming>, TargetError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    if status == StatusCode::CONFLICT {
        let why = answer.into_body().collect().await.map_err(http(path))?.to_bytes();
        let why = String::from_utf8_lossy(&why).into_owned();
        return Err(TargetError::Conflict { path: path.into(), why });
    }
    Err(TargetError::Refused { path: path.into(), status })
}
