//! Descriptors that came with the process.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes the descriptors that were passed to this process, with their names, in order
/// (`LISTEN_FDS`, `LISTEN_PID`, `LISTEN_FDNAMES`). Only the first call gets any.
pub fn take() -> io::Result<Vec<(String, OwnedFd)>> {
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    let passed = sd_notify::listen_fds_with_names()?;
    Ok(passed
        .map(|(number, name)| {
            // SAFETY: the supervisor passed this number to this very process (LISTEN_PID), it is
            // open (it was just made close-on-exec), and TAKEN sees to it that it gets one owner.
            #[expect(unsafe_code, reason = "a number from the environment becomes a descriptor")]
            let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
            (name, descriptor)
        })
        .collect())
}
