//! `sticky stop`: the graceful end.

use std::io::{self, Write};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::Failure;
use super::target::Target;

/// End a running supervisor: no new connections, workers finish what they have
///
/// Returns when it has ended. SIGTERM to the supervisor does the same.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    target: Target,
}

/// The supervisor told a pid that is none.
#[derive(Debug, thiserror::Error)]
#[error("the supervisor told {0}, which is no process of this host; is it in another container?")]
struct NoProcess(u32);

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        let pid = self.target.status()?.pid;
        let process = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(NoProcess(pid))?;
        // Before it is told to end: afterwards the number may be another's.
        let process = pidfd_open(process, PidfdFlags::empty()).map_err(|_| NoProcess(pid))?;
        self.target.post("/stop", None)?;
        let mut out = io::stdout().lock();
        writeln!(out, "supervisor {pid} ends: workers finish what they have")?;
        let mut ended = [PollFd::new(&process, PollFlags::IN)];
        while let Err(rustix::io::Errno::INTR) = poll(&mut ended, None) {}
        writeln!(out, "stopped")?;
        Ok(())
    }
}
