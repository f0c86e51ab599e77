//! The two ends of a slot's socket, which can be replaced by two others while they are in use.

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use sticky_sys::fd_passing;

/// Connections go in at the near end, and the slot's worker takes them from the far end.
#[derive(Debug)]
pub(super) struct Pair {
    ends: Mutex<Ends>,
    renewed: Notify,
}

#[derive(Debug)]
struct Ends {
    near: OwnedFd,
    far: OwnedFd,
}

impl Pair {
    pub(super) fn new(near: OwnedFd, far: OwnedFd) -> Self {
        Self { ends: Mutex::new(Ends { near, far }), renewed: Notify::new() }
    }

    /// Held for no longer than a system call that does not block.
    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A duplicate of the near end.
    pub(super) fn near(&self) -> io::Result<OwnedFd> {
        self.ends().near.try_clone()
    }

    /// A duplicate of the worker's end.
    pub(super) fn far(&self) -> io::Result<OwnedFd> {
        self.ends().far.try_clone()
    }

    pub(super) fn send(&self, connection: &OwnedFd) -> io::Result<()> {
        fd_passing::send(&self.ends().near, connection.as_fd())
    }

    /// Resolves when other ends have come since this was called.
    pub(super) fn renewed(&self) -> impl Future<Output = ()> {
        self.renewed.notified()
    }

    /// Puts other ends in the place of these, and into them what waits in these. Gives back what they
    /// do not take.
    pub(super) fn replace(&self, near: OwnedFd, far: OwnedFd) -> Vec<OwnedFd> {
        let mut ends = self.ends();
        let mut left = Vec::new();
        // A worker that shut it down has not taken what waited.
        while let Ok(Some(connection)) = fd_passing::receive(&ends.far) {
            if !left.is_empty() || fd_passing::send(&near, connection.as_fd()).is_err() {
                left.push(connection);
            }
        }
        *ends = Ends { near, far };
        drop(ends);
        self.renewed.notify_waiters();
        left
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use rustix::net::{Shutdown, shutdown};

    use super::*;

    fn pair() -> Pair {
        let (near, far) = fd_passing::pair(10).unwrap();
        Pair::new(near, far)
    }

    /// As many connections as the pair takes.
    fn fill(pair: &Pair) -> usize {
        let connection = OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
        (0..1000).take_while(|_| pair.send(&connection).is_ok()).count()
    }

    #[tokio::test]
    async fn what_waits_comes_along_whatever_was_done_to_the_ends() {
        for harm in [false, true] {
            let pair = pair();
            let count = fill(&pair);
            let renewed = pair.renewed();
            if harm {
                let far = pair.far().unwrap();
                rustix::io::ioctl_fionbio(&far, false).unwrap();
                shutdown(&far, Shutdown::Both).unwrap();
            }
            let (near, far) = fd_passing::pair(10).unwrap();
            assert!(pair.replace(near, far).is_empty());
            renewed.await;
            let far = pair.far().unwrap();
            for _ in 0..count {
                assert!(fd_passing::receive(&far).unwrap().is_some());
            }
            assert_eq!(fd_passing::receive(&far).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
    }
}
