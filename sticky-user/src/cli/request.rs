//! Requests to the control socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::sleep;

use crate::keeper::Vacancy;

/// A supervisor cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
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
    #[error("{}", .0.why)]
    Gone(Box<Vacancy>),
    #[error(
        "the supervisor at {} does not answer within {limit:?}: it was stopped, or hangs; let it go \
         on (kill -CONT), or kill it (kill -9) and start `sticky run` again with the same options, \
         which takes over: workers go on meanwhile", .path.display()
    )]
    Silent { path: PathBuf, limit: Duration },
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
}

/// Before another attempt, where its queue is full.
const RETRY: Duration = Duration::from_millis(50);

pub(super) fn http(path: &Path) -> impl Fn(hyper::Error) -> RequestError {
    move |source| RequestError::Http { path: path.into(), source }
}

async fn connect(path: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "nothing tells when a queue has room"
                )]
                sleep(RETRY).await;
            }
            connected => return connected,
        }
    }
}

pub(super) async fn ask(
    path: &Path,
    method: Method,
    resource: &str,
    body: Option<Vec<u8>>,
) -> Result<Response<Incoming>, RequestError> {
    let stream = connect(path)
        .await
        .map_err(|source| RequestError::NotRunning { path: path.into(), source })?;
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

pub(super) async fn successful(
    path: &Path,
    answer: Response<Incoming>,
) -> Result<Response<Incoming>, RequestError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let of_keeper = status == StatusCode::SERVICE_UNAVAILABLE;
    if status == StatusCode::CONFLICT || of_keeper {
        let text = answer.into_body().collect().await.map_err(http(path))?.to_bytes();
        let why = String::from_utf8_lossy(&text).trim().to_owned();
        if !of_keeper {
            return Err(RequestError::Conflict { path: path.into(), why });
        }
        let vacancy = serde_json::from_slice(&text).ok();
        if let Some(vacancy) = vacancy.or_else(|| Vacancy::of(why)) {
            return Err(RequestError::Gone(Box::new(vacancy)));
        }
    }
    Err(RequestError::Refused { path: path.into(), status })
}
