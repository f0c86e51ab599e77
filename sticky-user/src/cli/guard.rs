//! `sticky guard`: the process above a worker, which ends what the worker leaves behind. Hidden.

use std::ffi::OsString;

use rustix::process::Pid;

use super::Failure;
use crate::launch::guard;

/// Start what becomes a worker and tell its pid; end when nothing of it is left
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(super) struct Args {
    /// The worker, which is a child of this process already
    #[arg(long, value_name = "PID", conflicts_with = "launch", required_unless_present = "launch")]
    of: Option<i32>,

    /// The arguments of `sticky launch`
    #[arg(last = true)]
    launch: Vec<OsString>,
}

/// The number of a process is above zero.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not the number of a process; `sticky run` starts this command")]
struct NoProcess(i32);

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        // Its binary was executed by way of /proc, which would leave it the name "exe".
        let _ = rustix::thread::set_name(c"sticky-guard");
        match self.of {
            Some(number) => {
                let worker = Pid::from_raw(number).filter(|_| number > 0);
                Ok(guard::watch(worker.ok_or(NoProcess(number))?)?)
            }
            None => Err(guard::start(&self.launch).into()),
        }
    }
}
