//! `sticky upgrade`: another program in the place of the running supervisor.

use std::io::{self, Write};
use std::path::PathBuf;

use super::Failure;
use super::target::{Target, UPGRADE};
use crate::supervisor::control;

/// Replace the running supervisor by the program that is installed now
///
/// The new program takes over the port with all its sockets and the kernel program, under the same
/// pid; workers go on meanwhile, and are replaced by `sticky reload`. If it cannot take over, the old
/// one goes on.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    target: Target,

    /// The new program [default: the file that the supervisor was started from]
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
}

/// The old program goes on.
#[derive(Debug, thiserror::Error)]
enum NotUpgraded {
    #[error("not upgraded: {0}")]
    Refused(String),
    #[error("not upgraded: the new program could not go on and went back to the old one: {0}")]
    RolledBack(String),
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        let before = self.target.status()?;
        let program = match self.program {
            Some(program) => Some(std::path::absolute(program)?),
            None => None,
        };
        let body = serde_json::to_vec(&control::Upgrade { program })?;
        // The answer of a success is that the connection ends, with the program that had it.
        if let Some(refused) = self.target.refused("/upgrade", body)? {
            return Err(NotUpgraded::Refused(refused).into());
        }
        let after = self.target.status_within(UPGRADE)?;
        if let Some(why) = after.rolled_back {
            return Err(NotUpgraded::RolledBack(why).into());
        }
        let (old, new) = (before.version, after.version);
        writeln!(io::stdout(), "supervisor {} upgraded: version {old} -> {new}", after.pid)?;
        Ok(())
    }
}
