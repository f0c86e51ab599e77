//! A worker's process: signalled for as long as it runs, waited for once.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open,
    pidfd_send_signal, waitid,
};
use tokio::io::Interest;
use tokio::task::JoinHandle;
use tracing::debug;

use crate::sys::readiness;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Code(i32),
    Signal(i32),
    /// It was the child of an earlier supervisor, and only a parent is told.
    Unknown,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "ended with exit code {code}"),
            Self::Signal(signal) => write!(f, "was killed by signal {signal}"),
            Self::Unknown => f.write_str("ended, nobody knows how"),
        }
    }
}

/// A worker's process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: u32,
    group: Pid,
    pidfd: OwnedFd,
    watcher: JoinHandle<()>,
}

impl Process {
    /// Watches a process that was not waited for, and tells when it has ended.
    pub(super) fn watch(pid: u32, ended: impl FnOnce(Ended) + Send + 'static) -> io::Result<Self> {
        let pidfd = pidfd_open(pid_of(pid)?, PidfdFlags::NONBLOCK)?;
        Self::of(pid, pidfd, ended)
    }

    /// Watches the process of a pidfd, which may be another's child.
    pub(super) fn of(
        pid: u32,
        pidfd: OwnedFd,
        ended: impl FnOnce(Ended) + Send + 'static,
    ) -> io::Result<Self> {
        let group = pid_of(pid)?;
        let exit = readiness::watch(pidfd.try_clone()?, Interest::READABLE)?;
        let watcher = tokio::spawn(async move {
            // An error would be of the runtime, which then ends too.
            if let Ok(mut ready) = exit.readable().await {
                ready.retain_ready();
            }
            // It is not waited for yet, so the number of the group is still its own: what it has
            // started ends with it. (An orphan may have been waited for by init; the number is
            // taken again only when all others were, so it is still nobody else's.)
            send(group, Signal::KILL);
            let status = waitid(WaitId::PidFd(exit.get_ref().as_fd()), WaitIdOptions::EXITED);
            ended(match status {
                Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => Ended::Code(code),
                    (None, Some(signal)) => Ended::Signal(signal),
                    (None, None) => Ended::Unknown,
                },
                _ => Ended::Unknown,
            });
        });
        Ok(Self { pid, group, pidfd, watcher })
    }

    /// A descriptor that names the process, whatever becomes of its number.
    pub(super) fn pidfd(&self) -> &OwnedFd {
        &self.pidfd
    }

    /// Sends a signal to the worker and the processes that it has started. A worker that has
    /// ended in the meantime is not an error.
    pub(super) fn signal(&self, signal: Signal) {
        if self.has_ended() {
            return;
        }
        // Before it has begun a session of its own, it leads no group and has started nothing.
        if kill_process_group(self.group, signal) == Err(Errno::SRCH)
            && let Err(error) = pidfd_send_signal(&self.pidfd, signal)
        {
            debug!("cannot signal worker {}: {error}", self.pid);
        }
    }

    fn has_ended(&self) -> bool {
        let mut exit = [PollFd::new(&self.pidfd, PollFlags::IN)];
        poll(&mut exit, Some(&Timespec::default())).is_ok_and(|ended| ended > 0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

fn pid_of(pid: u32) -> io::Result<Pid> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// Each worker leads a session of its own, and in it a process group.
fn send(group: Pid, signal: Signal) {
    if let Err(error) = kill_process_group(group, signal) {
        debug!("cannot signal worker {group:?}: {error}");
    }
}
