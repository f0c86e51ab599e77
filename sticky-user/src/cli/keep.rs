//! `sticky keep`: holds the port's sockets while one supervisor follows another. Hidden.

use super::Failure;
use crate::keeper;
use sticky_sys::inherited::Descriptors;

/// Keep what a supervisor hands over, for the next one
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(super) struct Args {}

/// It was started by hand.
#[derive(Debug, thiserror::Error)]
#[error("no socket of a supervisor was passed to this process; `sticky run` starts it")]
struct NotPassed;

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self {} = self;
        // Its binary was executed by way of /proc, which would leave it the name "exe".
        let _ = rustix::thread::set_name(c"sticky-keeper");
        let mut passed = Descriptors::of_this_process()?;
        let (listener, supervisor) = (passed.take("keeper"), passed.take("supervisor"));
        let (Some(listener), Some(supervisor)) = (listener, supervisor) else {
            return Err(NotPassed.into());
        };
        Ok(keeper::serve(&listener, supervisor)?)
    }
}
