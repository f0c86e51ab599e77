//! Descriptors that came with the process.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

type Passed = Vec<(String, OwnedFd)>;

/// What is still there to be taken; `None` before the environment was read.
static PASSED: Mutex<Option<Passed>> = Mutex::new(None);

/// Takes the descriptor with this name (`LISTEN_FDS`, `LISTEN_PID`, `LISTEN_FDNAMES`), close-on-exec.
/// Whoever takes it owns it: the next gets `None`.
pub fn take(name: &str) -> io::Result<Option<OwnedFd>> {
    with_passed(|passed| {
        let position = passed.iter().position(|(given, _)| given == name)?;
        Some(passed.swap_remove(position).1)
    })
}

/// Takes the only descriptor that is left, whatever its name; `None` when there is none, or more.
pub fn take_only() -> io::Result<Option<OwnedFd>> {
    with_passed(|passed| {
        let only = passed.pop()?;
        if passed.is_empty() {
            return Some(only.1);
        }
        passed.push(only);
        None
    })
}

fn with_passed<T>(take: impl FnOnce(&mut Passed) -> Option<T>) -> io::Result<Option<T>> {
    let mut passed: MutexGuard<'_, Option<Passed>> =
        PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    let passed = match &mut *passed {
        Some(passed) => passed,
        none => none.insert(adopt()?),
    };
    Ok(take(passed))
}

fn adopt() -> io::Result<Passed> {
    let passed = sd_notify::listen_fds_with_names()?;
    Ok(passed
        .map(|(number, name)| {
            // SAFETY: the supervisor passed this number to this very process (LISTEN_PID), it is
            // open (it was just made close-on-exec), and PASSED sees to it that it gets one owner.
            #[expect(unsafe_code, reason = "a number from the environment becomes a descriptor")]
            let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
            (name, descriptor)
        })
        .collect())
}
