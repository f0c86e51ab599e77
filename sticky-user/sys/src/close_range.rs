//! `close_range(2)`.

use std::io;

/// Sees to it that no descriptor from `first` on survives the next `exec`.
///
/// # Errors
///
/// The kernel is older than 5.11.
pub fn close_on_exec(first: u32) -> io::Result<()> {
    // By its number: the libc crate knows no function of it for musl.
    // SAFETY: a flag of open descriptors is set; none is closed before the process is another.
    #[expect(unsafe_code, reason = "neither rustix nor nix has this call")]
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
