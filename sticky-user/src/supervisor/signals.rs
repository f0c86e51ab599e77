//! The signals of a supervisor.

use std::io;

use nix::sys::signal::{SigSet, Signal as Number};
use tokio::signal::unix::{Signal, SignalKind, signal};

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
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    pub(super) fn install() -> io::Result<Self> {
        let this = Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        };
        // A supervisor that was upgraded to this one held them back.
        Self::let_through()?;
        Ok(this)
    }

    /// Holds signals back until the program that this process becomes has installed its own.
    pub(super) fn hold_back() -> io::Result<()> {
        Ok(ours().thread_block()?)
    }

    /// The opposite.
    pub(super) fn let_through() -> io::Result<()> {
        Ok(ours().thread_unblock()?)
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            Some(()) = self.terminate.recv() => Asked::Stop("SIGTERM"),
            Some(()) = self.interrupt.recv() => Asked::Stop("SIGINT"),
            Some(()) = self.hangup.recv() => Asked::Reload,
            // The streams of signals end with the runtime only.
            else => std::future::pending().await,
        }
    }
}

fn ours() -> SigSet {
    [Number::SIGTERM, Number::SIGINT, Number::SIGHUP].into_iter().collect()
}
