//! `sticky stop`: the graceful end.

use std::io::{self, Write};

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;

use super::Failure;
use super::target::Target;
use sticky_sys::readiness;

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
        self.target.post("/stop")?;
        let mut out = io::stdout().lock();
        writeln!(out, "supervisor {pid} ends: workers finish what they have")?;
        self.target.end(async {
            // Without a watch, the limits of the wait are all there is.
            match readiness::watch(process, Interest::READABLE) {
                Ok(process) => drop(process.readable().await),
                Err(_) => std::future::pending().await,
            }
        })?;
        writeln!(out, "stopped")?;
        Ok(())
    }
}
