//! A worker's process: signalled for as long as it runs, waited for once.

use std::io;
use std::process::ExitStatus;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use tokio::io::Interest;
use tokio::process::Child;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::debug;

use crate::sys::readiness;

/// A worker that has ended.
#[derive(Debug)]
pub(super) struct Exit {
    pub(super) slot: u32,
    pub(super) status: io::Result<ExitStatus>,
}

/// A worker's process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: u32,
    signals: UnboundedSender<Signal>,
}

impl Process {
    /// Watches `child`, and tells `exits` when it has ended.
    pub(super) fn watch(slot: u32, child: Child, exits: UnboundedSender<Exit>) -> Self {
        let (signals, requests) = unbounded_channel();
        let pid = child.id().unwrap_or_default();
        tokio::spawn(async move {
            let status = wait(child, requests).await;
            // Nobody to tell: the supervisor itself is ending.
            let _ = exits.send(Exit { slot, status });
        });
        Self { pid, signals }
    }

    /// Sends a signal to the worker and the processes that it has started. A worker that has
    /// ended in the meantime is not an error.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = self.signals.send(signal);
    }
}

/// Waiting and signalling are one task, so that no signal can go to a pid that was waited for and
/// belongs to somebody else by now.
async fn wait(mut child: Child, mut requests: UnboundedReceiver<Signal>) -> io::Result<ExitStatus> {
    // Each worker leads a process group of its own.
    let Some(group) = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) else {
        return child.wait().await;
    };
    let exit = pidfd_open(group, PidfdFlags::NONBLOCK)?;
    let exit = readiness::watch(exit, Interest::READABLE)?;
    loop {
        let signal = tokio::select! {
            ended = exit.readable() => {
                ended?.retain_ready();
                // It is not waited for yet, so the number of the group is still its own: what it
                // has started ends with it.
                send(group, Signal::KILL);
                return child.wait().await;
            }
            Some(signal) = requests.recv() => signal,
        };
        send(group, signal);
    }
}

fn send(group: Pid, signal: Signal) {
    if let Err(error) = kill_process_group(group, signal) {
        debug!("cannot signal worker {group:?}: {error}");
    }
}
