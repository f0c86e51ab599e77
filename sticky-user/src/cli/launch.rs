//! `sticky launch`: the moment between a supervisor's fork and the worker. Hidden.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process;

use super::Failure;
use crate::supervisor::THIS_BINARY;

/// Become a worker: set LISTEN_PID, which is known only now, and execute COMMAND
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(super) struct Args {
    /// The worker's program and its arguments
    #[arg(required = true, last = true)]
    command: Vec<OsString>,
}

/// The program cannot be executed.
#[derive(Debug, thiserror::Error)]
#[error("cannot execute the worker's command {command:?}; check its path and permissions")]
struct CannotExecute {
    command: OsString,
    source: std::io::Error,
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut command = self.command.into_iter();
        let program = command.next().unwrap_or_default();
        if program == THIS_BINARY {
            // A capability that `setcap` gave to this file is the supervisor's, not the worker's.
            rustix::thread::set_no_new_privs(true)?;
        }
        let source = process::Command::new(&program)
            .arg0(if program == THIS_BINARY { OsStr::new("sticky") } else { &program })
            .args(command)
            .env("LISTEN_PID", process::id().to_string())
            .exec();
        Err(CannotExecute { command: program, source }.into())
    }
}
