//! `getsockopt(TCP_INFO)`.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};

/// What the kernel knows of a TCP socket.
///
/// # Errors
///
/// It is no TCP socket.
pub fn of(socket: BorrowedFd<'_>) -> io::Result<libc::tcp_info> {
    // SAFETY: a plain struct of integers, for which zeros are a value.
    #[expect(unsafe_code, reason = "the kernel fills the struct in")]
    let mut info: libc::tcp_info = unsafe { mem::zeroed() };
    #[expect(clippy::cast_possible_truncation, reason = "the size of a struct")]
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `info`, and both outlive the call.
    #[expect(unsafe_code, reason = "neither rustix nor nix nor socket2 has this option")]
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    if result == 0 { Ok(info) } else { Err(io::Error::last_os_error()) }
}
