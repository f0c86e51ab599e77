//! `sticky launch`: the moment between a supervisor's fork and the worker. Hidden.

use std::ffi::OsString;

use super::Failure;
use crate::launch::{Account, Launch};

/// Become a worker: do what only the new process can, and execute COMMAND
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(super) struct Args {
    /// End with the parent, which is the worker's guard
    #[arg(long)]
    guarded: bool,

    /// Wait for a byte on standard input first; end when there is none
    #[arg(long)]
    wait: bool,

    /// Become this user
    #[arg(long, value_name = "UID:GID")]
    user: Option<Account>,

    /// The worker's program and its arguments
    #[arg(required = true, last = true)]
    command: Vec<OsString>,
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self { guarded, wait, user, command } = self;
        Err(Launch { guarded, wait, account: user, command }.run().into())
    }
}
