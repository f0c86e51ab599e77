//! Opens the slots and keeps a worker at each.
//!
//! A *slot* lives as long as the port is served; a *worker* is the process that serves it now.
//! [`slot`] is the life of a slot as a pure state machine, `fleet` carries out what it decides. What one
//! supervisor leaves to the next is held by the [`keeper`](crate::keeper).

pub(crate) mod backoff;
mod bus_sockets;
pub(crate) mod control;
mod deadline;
mod directory;
mod error;
mod fleet;
mod handover;
mod lease_files;
mod limits;
pub(crate) mod manifest;
mod metrics;
mod notify;
mod notify_access;
mod pending_updates;
mod process;
pub(crate) mod progress;
mod run_dir;
mod service_manager;
mod settings;
mod signals;
pub(crate) mod slot;
mod spawn;
mod start;
pub(crate) mod status;
mod trial;
pub(crate) mod upgrade;
mod user;
mod worker_stderr;

use sticky_sys::inherited::Descriptors;
use tracing::error;

pub(crate) use error::Error;
pub(crate) use run_dir::default_control;
pub(crate) use settings::Settings;
pub(crate) use user::User;

use self::signals::Signals;
use self::upgrade::Rollback;
use crate::step::Step as _;

/// Serves until SIGTERM or SIGINT. Call it in a single-threaded tokio runtime.
///
/// `announce` is called once, when every slot has a worker that is ready.
pub(crate) async fn run(
    settings: &Settings,
    announce: impl FnOnce(&status::Status),
) -> Result<(), Error> {
    // Before anything that would have to be undone.
    let signals = Signals::install().step("handle signals")?;
    limits::raise_open_files();
    let passed = Descriptors::of_this_process();
    let mut passed = passed.step("read what was passed")?;
    let rollback = Rollback::of_this_process(&mut passed);
    match start::fleet(settings, signals, &mut passed, &rollback).await {
        Ok(fleet) => fleet.serve(announce).await,
        Err(failure) => {
            // Returns when there is nothing to go back to, or that fails as well.
            if let Err(error) = rollback.go_back(&failure) {
                error!("cannot go back to the program before: {error}");
            }
            Err(failure)
        }
    }
}
