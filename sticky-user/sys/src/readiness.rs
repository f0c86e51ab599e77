//! Descriptors that the runtime watches.

use std::io;
use std::ops::Deref;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What names the same open descriptor for as long as it lives.
///
/// Types of the standard library do, and no other can be one:
///
/// ```compile_fail,E0277
/// #[derive(Debug)]
/// struct Number(i32);
/// impl std::os::fd::AsRawFd for Number {
///     fn as_raw_fd(&self) -> i32 {
///         self.0
///     }
/// }
/// impl sticky_sys::readiness::Steady for Number {}
/// ```
pub trait Steady: AsRawFd + sealed::Sealed {}
impl Steady for OwnedFd {}
impl Steady for BorrowedFd<'_> {}

mod sealed {
    #[expect(unnameable_types, reason = "that is the point of it")]
    pub trait Sealed {}
    impl Sealed for super::OwnedFd {}
    impl Sealed for super::BorrowedFd<'_> {}
}

/// A descriptor that the runtime watches. It cannot be exchanged for another.
#[derive(Debug)]
pub struct Watched<T: Steady>(AsyncFd<T>);

impl<T: Steady> Deref for Watched<T> {
    type Target = AsyncFd<T>;

    fn deref(&self) -> &AsyncFd<T> {
        &self.0
    }
}

/// Lets the runtime tell when `descriptor` is ready. Needs a tokio runtime; panics without one.
///
/// # Errors
///
/// The kernel cannot watch such a descriptor: a file, for example.
pub fn watch<T: Steady>(descriptor: T, interest: Interest) -> io::Result<Watched<T>> {
    // SAFETY: `T` is `OwnedFd` or `BorrowedFd`, which name one open descriptor for as long as they
    // live, and nobody can put another into the `AsyncFd`: from here on it is only read.
    #[expect(unsafe_code, reason = "tokio asks for this promise for every type but its own")]
    let watched = unsafe { AsyncFd::register_with_interest(descriptor, interest) }?;
    Ok(Watched(watched))
}
