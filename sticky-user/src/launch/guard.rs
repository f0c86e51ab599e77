//! A worker's guard: the process above it, which ends what the worker leaves behind.
//!
//! ```text
//! supervisor ──► guard ──► worker ──► what the worker starts
//! ```
//!
//! Whatever loses its parent below the guard becomes the guard's child (`PR_SET_CHILD_SUBREAPER`),
//! whether it has left the worker's process group and session or not. So when the worker has ended,
//! the guard kills its children until there are none, and ends as the worker did: the end of the
//! guard is the end of everything of that worker. It needs no right for that, and does it also while
//! there is no supervisor.

mod children;
mod mirror;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::SigSet;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, getpid, kill_process, pidfd_open,
    set_child_subreaper, setsid, waitid,
};

use super::THIS_BINARY;
use sticky_sys::{close_range, inherited};

/// How long what is left of a worker may take to die: a process that is killed takes longer only
/// where it waits for a device.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts what becomes the worker, says its pid on standard output, and becomes its guard. Returns
/// only when that fails. `launch` are the arguments of `sticky launch`.
pub(crate) fn start(launch: &[OsString]) -> io::Error {
    let become_guard = || -> io::Result<Command> {
        // Ctrl-C at a terminal reaches the supervisor only. An error: this process leads a group already.
        let _ = setsid();
        set_child_subreaper(Some(getpid()))?;
        let worker = Command::new(THIS_BINARY)
            .arg0("sticky")
            .args(["launch", "--guarded"])
            .args(launch)
            // Standard output is for what the supervisor says to scripts.
            .stdout(io::stderr())
            .spawn()?;
        let mut out = io::stdout();
        writeln!(out, "{}", worker.id())?;
        out.flush()?;
        // The worker's sockets and its accept lease are not to outlive it here.
        close_range::close_on_exec(inherited::FIRST.unsigned_abs())?;
        let mut guard = Command::new(THIS_BINARY);
        guard.arg0("sticky").args(["guard", "--of", &worker.id().to_string()]);
        guard.stdin(Stdio::null()).stdout(Stdio::null());
        Ok(guard)
    };
    match become_guard() {
        Ok(mut guard) => guard.exec(),
        Err(error) => error,
    }
}

/// Waits for the end of a worker, a child of this process, and for that of everything that it
/// leaves. Then ends as the worker did.
pub(crate) fn watch(worker: Pid) -> io::Result<()> {
    // A service manager that tells all processes to end is to leave the worker time to drain.
    SigSet::all().thread_block()?;
    let status = end_of(worker)?;
    if let Err(left) = end_children_but(worker, Instant::now() + PATIENCE) {
        // The log may not be read.
        let _ = writeln!(io::stderr(), "{left}");
    }
    mirror::end_like(&status)
}

/// Waits until the worker has ended. It is left a zombie, so that its number stays its own until all
/// of it has gone.
fn end_of(worker: Pid) -> io::Result<WaitIdStatus> {
    let left = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    loop {
        match waitid(WaitId::All, left) {
            Err(Errno::INTR) => continue,
            ended => drop(ended?),
        }
        if let Some(status) = waitid(WaitId::Pid(worker), left | WaitIdOptions::NOHANG)? {
            return Ok(status);
        }
        // Others came here when their parents ended.
        for child in children::of_this_process()?.into_iter().filter(|&child| child != worker) {
            reap(child);
        }
    }
}

/// Kills the children of this process, and theirs, which come here when their parents have ended.
fn end_children_but(worker: Pid, until: Instant) -> Result<(), Left> {
    loop {
        let children = children::of_this_process().map_err(Left::Unknown)?;
        let left: Vec<Pid> = children.into_iter().filter(|&child| child != worker).collect();
        if left.is_empty() {
            return Ok(());
        }
        let time = until.saturating_duration_since(Instant::now());
        if time.is_zero() {
            return Err(Left::Alive(left));
        }
        for &child in &left {
            // The child is not waited for yet, so the number is its own. An error: it has ended already.
            let _ = kill_process(child, Signal::KILL);
        }
        wait_for_one(&left, time);
        left.into_iter().for_each(reap);
    }
}

/// Waits until one of these children has ended.
fn wait_for_one(children: &[Pid], time: Duration) {
    let open = |&child| pidfd_open(child, PidfdFlags::empty()).ok();
    let descriptors: Vec<_> = children.iter().filter_map(open).collect();
    let mut ends: Vec<_> =
        descriptors.iter().map(|descriptor| PollFd::new(descriptor, PollFlags::IN)).collect();
    let time = Timespec::try_from(time).unwrap_or_default();
    // After a failure the caller looks again, for as long as it has time.
    let _ = poll(&mut ends, Some(&time));
}

fn reap(child: Pid) {
    // A child that has not ended is left for the next time.
    let _ = waitid(WaitId::Pid(child), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
}

/// Why something may be left of a worker.
#[derive(Debug, thiserror::Error)]
enum Left {
    #[error("what a worker left behind cannot be found, so it is not ended: {0}")]
    Unknown(io::Error),
    #[error("a worker left processes behind that cannot be killed within {PATIENCE:?}: {}", described(.0))]
    Alive(Vec<Pid>),
}

/// Some of them, with the names of their programs.
fn described(processes: &[Pid]) -> String {
    const MOST: usize = 8;
    let describe = |process: &Pid| {
        let pid = process.as_raw_nonzero();
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        format!("{pid} ({:?})", name.trim_end())
    };
    let some: Vec<String> = processes.iter().take(MOST).map(describe).collect();
    let more = processes.len().saturating_sub(MOST);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", some.join(", "))
}
