//! Descriptors that the runtime watches.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Lets the runtime tell when `descriptor` is ready. Needs a tokio runtime; panics without one.
pub fn watch(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is the same open descriptor for as long as it lives, and nobody here
    // replaces it inside the `AsyncFd`.
    #[expect(unsafe_code, reason = "tokio asks for this promise for every type but its own")]
    Ok(unsafe { AsyncFd::register_with_interest(descriptor, interest) }?)
}
