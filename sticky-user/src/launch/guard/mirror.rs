//! Ends as another process did.

use std::io;
use std::process;

use nix::sys::signal::SigSet;
use rustix::process::{
    DumpableBehavior, Signal, WaitIdStatus, getpid, kill_process, set_dumpable_behavior,
};

/// Ends with the exit code, or by the signal, that the status tells. Returns only when that fails.
pub(super) fn end_like(status: &WaitIdStatus) -> io::Result<()> {
    let Some(number) = status.terminating_signal() else {
        process::exit(status.exit_status().unwrap_or(1));
    };
    // Of its end there is a core already, where one is wanted.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    SigSet::all().thread_unblock()?;
    if let Some(signal) = Signal::from_named_raw(number) {
        // Once for a handler of Rust's, which gives way to the signal's default.
        for _ in 0..2 {
            kill_process(getpid(), signal)?;
        }
    }
    // As shells tell it: a signal without a name, or a signal that this process ignores.
    process::exit(128_i32.saturating_add(number));
}
