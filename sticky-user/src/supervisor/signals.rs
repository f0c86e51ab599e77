//! The signals of a supervisor.
//!
//! They are blocked for good and read from a descriptor: none is in between when the process
//! becomes another program (`execve`). A signal that was not read is pending, and is read by that program.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use tokio::io::Interest;
use tracing::error;

use sticky_sys::readiness::{self, Watched};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The end, by a signal of this name.
    Stop(&'static str),
    /// Another worker in the place of each (SIGHUP).
    Reload,
}

/// SIGTERM, SIGINT and SIGHUP.
#[derive(Debug)]
pub(super) struct Signals {
    descriptor: SignalFd,
    watched: Watched<OwnedFd>,
}

impl Signals {
    /// Call it before the process has threads that do not block signals by themselves.
    pub(super) fn install() -> io::Result<Self> {
        let ours: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().collect();
        ours.thread_block()?;
        let descriptor =
            SignalFd::with_flags(&ours, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        let watched = descriptor.as_fd().try_clone_to_owned()?;
        let watched = readiness::watch(watched, Interest::READABLE)?;
        Ok(Self { descriptor, watched })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Asked {
        loop {
            let ready = self.watched.readable().await;
            let read = self.descriptor.read_signal();
            match (ready, read.map(|read| read.map(|signal| signal.ssi_signo.cast_signed()))) {
                (_, Ok(Some(number))) if number == Signal::SIGHUP as i32 => return Asked::Reload,
                (_, Ok(Some(number))) if number == Signal::SIGINT as i32 => {
                    return Asked::Stop("SIGINT");
                }
                (_, Ok(Some(_))) => return Asked::Stop("SIGTERM"),
                (Ok(mut ready), Ok(None)) => ready.clear_ready(),
                (Err(error), _) => return broken(&error).await,
                (_, Err(error)) => return broken(&error.into()).await,
            }
        }
    }
}

/// The descriptor of a running process has no errors; if it had, all else would go on.
async fn broken(error: &io::Error) -> Asked {
    error!("cannot receive signals: {error}");
    std::future::pending().await
}
