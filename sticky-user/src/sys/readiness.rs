//! Descriptors that the runtime watches.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What stays the same open descriptor for as long as it lives.
pub trait Steady: AsRawFd {}
impl Steady for OwnedFd {}
impl Steady for BorrowedFd<'_> {}

/// Lets the runtime tell when `descriptor` is ready. Needs a tokio runtime; panics without one.
pub fn watch<T: Steady>(descriptor: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // SAFETY: it is `Steady`, and nobody here replaces it inside the `AsyncFd`.
    #[expect(unsafe_code, reason = "tokio asks for this promise for every type but its own")]
    Ok(unsafe { AsyncFd::register_with_interest(descriptor, interest) }?)
}
