//! Where workers write what they have to say: where the supervisor's log goes.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, fcntl_setfl, fstat};

/// Standard error of this process for a worker. A pipe or a terminal is opened anew: the flags of what
/// is opened, such as `O_NONBLOCK`, are the worker's own then, and a log that is written by the supervisor
/// does not get lost by them. A socket cannot be opened, and of a file both write at the same place.
pub(super) fn open() -> io::Result<OwnedFd> {
    let shared = io::stderr().as_fd().try_clone_to_owned()?;
    Ok(opened_anew(&shared).unwrap_or(shared))
}

fn opened_anew(shared: &OwnedFd) -> Option<OwnedFd> {
    let kind = FileType::from_raw_mode(fstat(shared).ok()?.st_mode);
    if !matches!(kind, FileType::Fifo | FileType::CharacterDevice) {
        return None;
    }
    // Without waiting for somebody who reads it.
    let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let own = rustix::fs::open("/proc/self/fd/2", flags, Mode::empty()).ok()?;
    fcntl_setfl(&own, OFlags::empty()).ok()?;
    Some(own)
}
