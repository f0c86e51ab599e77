//! `setsockopt(SO_ATTACH_REUSEPORT_EBPF)` with a program of which only the descriptor is there.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Attaches `program` to the group that `listener` belongs to.
///
/// # Errors
///
/// It is no program of this kind, or the listener is in no group.
pub fn attach(listener: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let program = program.as_raw_fd();
    #[expect(clippy::cast_possible_truncation, reason = "the size of an int")]
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads `length` bytes of `program`, which outlives the call.
    #[expect(unsafe_code, reason = "aya attaches only programs that it has loaded itself")]
    let result = unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_EBPF,
            (&raw const program).cast(),
            length,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
