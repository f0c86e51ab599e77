//! Which running supervisor is meant, and asking it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use http_body_util::BodyExt;
use hyper::Method;
use tokio::time::{sleep, timeout};

use super::block_on;
use super::request::{RequestError, ask, http, successful};
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

/// A supervisor that runs answers at once. This is for a loaded host.
const LIMIT: Duration = Duration::from_secs(10);
/// While it is replaced by another program it does not answer.
pub(super) const UPGRADE: Duration = Duration::from_secs(30);
/// How often it is asked whether it still answers, while it is at work on something.
const PAUSE: Duration = Duration::from_secs(1);

impl Target {
    fn path(&self) -> PathBuf {
        self.control.clone().unwrap_or_else(|| default_control(self.listen.port()))
    }

    /// The supervisor's status.
    pub(super) fn status(&self) -> Result<Status, RequestError> {
        self.status_within(LIMIT)
    }

    /// The same, with another limit.
    pub(super) fn status_within(&self, limit: Duration) -> Result<Status, RequestError> {
        self.with(async |path| status(path, limit).await)
    }

    /// Asks for something to be done.
    pub(super) fn post(&self, resource: &str) -> Result<(), RequestError> {
        self.with(async |path| {
            let posted = within(path, LIMIT, async {
                successful(path, ask(path, Method::POST, resource, None).await?).await.map(drop)
            });
            match posted.await {
                Ok(()) => Ok(()),
                failed => or_gone(path, failed).await,
            }
        })
    }

    /// Asks for something after which the supervisor is another program: why it is not done.
    pub(super) fn refused(
        &self,
        resource: &str,
        body: Vec<u8>,
    ) -> Result<Option<String>, RequestError> {
        self.with(async |path| {
            let asked = async {
                match ask(path, Method::POST, resource, Some(body)).await {
                    Ok(answer) => match successful(path, answer).await {
                        Err(RequestError::Conflict { why, .. }) => Ok(Some(why)),
                        answer => answer.map(|_| None),
                    },
                    Err(RequestError::Http { .. }) => Ok(None),
                    Err(error) => Err(error),
                }
            };
            tokio::select! {
                biased;
                asked = asked => asked,
                lost = lost(path, UPGRADE) => Err(lost),
            }
        })
    }

    /// Asks for a reload and tells each step of it.
    pub(super) fn reload(&self, mut step: impl FnMut(Progress)) -> Result<(), RequestError> {
        self.with(async |path| {
            let reloaded = tokio::select! {
                biased;
                reloaded = reload(path, &mut step) => reloaded,
                lost = lost(path, LIMIT) => Err(lost),
            };
            or_gone(path, reloaded).await
        })
    }

    /// Waits for the end of the supervisor, which is told by `ended`.
    pub(super) fn end(&self, ended: impl Future<Output = ()>) -> Result<(), RequestError> {
        self.with(async |path| {
            let mut ended = std::pin::pin!(ended);
            tokio::select! {
                biased;
                () = &mut ended => {}
                // At its end it does not answer, for some time.
                lost = lost(path, UPGRADE) => match lost {
                    // It has removed its socket.
                    RequestError::NotRunning { .. } => within(path, UPGRADE, async {
                        ended.await;
                        Ok(())
                    })
                    .await?,
                    lost => return Err(lost),
                },
            }
            match status(path, LIMIT).await {
                Err(gone @ RequestError::Gone(_)) => Err(gone),
                // It was killed, or it would have removed its socket.
                Err(killed @ RequestError::NotRunning { .. }) if path.exists() => Err(killed),
                _ => Ok(()),
            }
        })
    }

    fn with<T>(
        &self,
        work: impl AsyncFnOnce(&Path) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        let path = self.path();
        block_on(work(&path)).map_err(RequestError::Runtime)?
    }
}

async fn within<T>(
    path: &Path,
    limit: Duration,
    work: impl Future<Output = Result<T, RequestError>>,
) -> Result<T, RequestError> {
    let silent = || RequestError::Silent { path: path.into(), limit };
    timeout(limit, work).await.unwrap_or_else(|_| Err(silent()))
}

async fn status(path: &Path, limit: Duration) -> Result<Status, RequestError> {
    let asked = async || {
        let answer = successful(path, ask(path, Method::GET, "/status", None).await?).await?;
        Ok(answer.into_body().collect().await.map_err(http(path))?.to_bytes())
    };
    let body = within(path, limit, async {
        match asked().await {
            // It died, or became another program, over this: the next supervisor, or the keeper, answers.
            Err(RequestError::Http { .. }) => asked().await,
            answer => answer,
        }
    });
    serde_json::from_slice(&body.await?)
        .map_err(|source| RequestError::Answer { path: path.into(), source })
}

/// A supervisor that died in the middle says nothing of it; its keeper does.
async fn or_gone<T>(path: &Path, result: Result<T, RequestError>) -> Result<T, RequestError> {
    if !matches!(result, Err(RequestError::Silent { .. }))
        && let Err(gone @ RequestError::Gone(_)) = status(path, LIMIT).await
    {
        return Err(gone);
    }
    result
}

/// Resolves when the supervisor does not answer any more: what has become of it.
async fn lost(path: &Path, limit: Duration) -> RequestError {
    use RequestError::{Gone, NotRunning, Silent};
    loop {
        #[expect(
            clippy::disallowed_methods,
            reason = "nothing tells that somebody answers no more"
        )]
        sleep(PAUSE).await;
        let status = status(path, limit).await;
        if let Err(error @ (Gone(_) | NotRunning { .. } | Silent { .. })) = status {
            return error;
        }
    }
}

async fn reload(path: &Path, step: &mut impl FnMut(Progress)) -> Result<(), RequestError> {
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
                    .map_err(|source| RequestError::Answer { path: path.into(), source })?,
            );
        }
    }
    Ok(())
}
