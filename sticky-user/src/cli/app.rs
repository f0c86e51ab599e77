//! `sticky app`: the reference application as a worker. Hidden: `sticky run` starts it.

use super::log::LogArgs;
use super::{Failure, block_on};
use crate::app;
use sticky_worker::throttle::Throttle;

/// Serve the reference application on the listener that a supervisor passed
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(super) struct Args {
    #[command(flatten)]
    log: LogArgs,
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        self.log.init(Throttle::WORKER);
        // Its binary was executed by way of /proc, which would leave it the name "exe".
        let _ = rustix::thread::set_name(c"sticky-worker");
        Ok(block_on(app::run())??)
    }
}
