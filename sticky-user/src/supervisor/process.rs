//! A worker's process, and its guard: signalled for as long as it runs, waited for once.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open,
    pidfd_send_signal, waitid,
};
use tokio::io::Interest;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{debug, warn};

use sticky_sys::readiness::{self, Watched};

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

/// A worker's process. Its end is that of its guard, which comes when nothing of the worker is left.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: u32,
    group: Pid,
    guard: OwnedFd,
    /// The worker itself; `None` where only its end is left to wait for.
    worker: Option<OwnedFd>,
    watcher: JoinHandle<()>,
}

/// How long a worker may take to die that has lost its guard and is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a guard may take to end when its worker has: longer than it gives to what the worker left.
const GUARD_PATIENCE: Duration = Duration::from_secs(15);

impl Process {
    /// Watches a worker, and tells when nothing of it is left. `guard` is a child of this process that
    /// was not waited for.
    pub(super) fn watch(
        pid: u32,
        guard: u32,
        ended: impl FnOnce(Ended) + Send + 'static,
    ) -> io::Result<Self> {
        Self::of(pid, pidfd_open(pid_of(guard)?, PidfdFlags::NONBLOCK)?, ended)
    }

    /// Watches a child that leads a process group and has no guard: the group ends with the child.
    pub(super) fn unguarded(
        pid: u32,
        ended: impl FnOnce(Ended) + Send + 'static,
    ) -> io::Result<Self> {
        let group = pid_of(pid)?;
        let child = pidfd_open(group, PidfdFlags::NONBLOCK)?;
        // It is not waited for yet, so the number of the group is still its own.
        let end_group = move || {
            // Nobody else may be in it.
            let _ = kill_process_group(group, Signal::KILL);
        };
        Self::with(pid, child, end_group, ended)
    }

    /// Watches a worker by the pidfd of its guard, which may be another's child.
    pub(super) fn of(
        pid: u32,
        guard: OwnedFd,
        ended: impl FnOnce(Ended) + Send + 'static,
    ) -> io::Result<Self> {
        Self::with(pid, guard, || {}, ended)
    }

    fn with(
        pid: u32,
        guard: OwnedFd,
        finish: impl FnOnce() + Send + 'static,
        ended: impl FnOnce(Ended) + Send + 'static,
    ) -> io::Result<Self> {
        let group = pid_of(pid)?;
        // While its guard lives, which does not wait for it before, the number is the worker's own.
        let worker = pidfd_open(group, PidfdFlags::NONBLOCK).ok().filter(|_| !has_ended(&guard));
        let watch = |pidfd: &OwnedFd| readiness::watch(pidfd.try_clone()?, Interest::READABLE);
        let both =
            || -> io::Result<_> { Ok((watch(&guard)?, worker.as_ref().map(watch).transpose()?)) };
        let (exit, of_worker) = both().inspect_err(|_| {
            // Nobody would notice the end of this guard. An error: the guard has ended already.
            let _ = pidfd_send_signal(&guard, Signal::KILL);
        })?;
        let watcher = tokio::spawn(async move {
            if let Some(worker) = &of_worker {
                tokio::select! {
                    _ = end(&exit) => {}
                    _ = end(worker) => hurry(&exit, group).await,
                }
            }
            // An error would be of the runtime, which then ends too.
            let _ = end(&exit).await;
            if let Some(worker) = of_worker.filter(|worker| !has_ended(worker.get_ref())) {
                bereft(&worker, group).await;
            }
            finish();
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
        Ok(Self { pid, group, guard, worker, watcher })
    }

    /// A descriptor that tells the end of the worker and of what it leaves ([`Process::of`]).
    pub(super) fn pidfd(&self) -> &OwnedFd {
        &self.guard
    }

    /// Sends a signal to the worker and the processes that it has started. A worker that has
    /// ended in the meantime is not an error.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(worker) = self.worker.as_ref().filter(|worker| !has_ended(worker)) {
            send(self.group, worker, signal);
        }
    }
}

fn has_ended(pidfd: &OwnedFd) -> bool {
    let mut exit = [PollFd::new(pidfd, PollFlags::IN)];
    poll(&mut exit, Some(&Timespec::default())).is_ok_and(|ended| ended > 0)
}

async fn end(process: &Watched<OwnedFd>) -> io::Result<()> {
    process.readable().await?.retain_ready();
    Ok(())
}

/// The worker has ended, and its guard is to follow: it may have been stopped (SIGSTOP).
async fn hurry(guard: &Watched<OwnedFd>, group: Pid) {
    // An error: the guard has ended already.
    let _ = pidfd_send_signal(guard.get_ref(), Signal::CONT);
    if timeout(GUARD_PATIENCE, end(guard)).await.is_err() {
        warn!(
            pid = group.as_raw_nonzero(),
            "the worker has ended, and its guard does not within {GUARD_PATIENCE:?}: it is killed, and \
             processes that the worker started may be left"
        );
        let _ = pidfd_send_signal(guard.get_ref(), Signal::KILL);
    }
}

/// The guard was killed: its worker is to end with it, and does so by itself unless it was told not to.
async fn bereft(worker: &Watched<OwnedFd>, group: Pid) {
    warn!(
        pid = group.as_raw_nonzero(),
        "the worker's guard was killed, so the worker is killed too"
    );
    send(group, worker.get_ref(), Signal::KILL);
    if !matches!(timeout(PATIENCE, end(worker)).await, Ok(Ok(()))) {
        warn!(pid = group.as_raw_nonzero(), "the worker does not die within {PATIENCE:?}");
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

/// Each worker leads a session of its own, and in it a process group, once it has begun it.
fn send(group: Pid, worker: &OwnedFd, signal: Signal) {
    let mut sent = kill_process_group(group, signal);
    if sent == Err(Errno::SRCH) {
        sent = pidfd_send_signal(worker, signal);
    }
    if let Err(error) = sent {
        debug!("cannot signal worker {group:?}: {error}");
    }
}
