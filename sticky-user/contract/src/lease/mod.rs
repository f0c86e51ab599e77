//! The accept lease: at any time one worker of a slot accepts.
//!
//! A worker that is to be replaced and its successor have the same sockets, and a file that both hold
//! open (the descriptor [`LEASE`](crate::descriptor::LEASE)): the worker that has its lock accepts. The
//! kernel takes the lock away from a worker that dies. A worker without such a file shares its sockets
//! with no other worker, and always holds the lease.
//!
//! Each part of a worker that accepts has a [`LeaseGuard`]: some parts prepare before the others begin
//! ([`LeaseGuard::prepared`]), and all of them have stopped, and dropped their guards, before the lease is
//! released.
//!
//! ```
//! use sticky_contract::lease::AcceptLease;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let lease = AcceptLease::unshared();
//! lease.prepared().await;
//! assert!(lease.is_held());
//! lease.release().await;
//! # }
//! ```

mod closed_sessions;

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::thread;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{debug, warn};

pub use self::closed_sessions::{ClosedSessions, FILE_LENGTH};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Awaited,
    Held,
    /// All parts of this worker are to stop accepting.
    Releasing,
    Released,
}

/// This worker's lease. Clones are the same one.
#[derive(Clone, Debug)]
pub struct AcceptLease(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: Option<Arc<File>>,
    closed_sessions: ClosedSessions,
    stage: watch::Sender<Stage>,
    preparing: TaskTracker,
    guards: TaskTracker,
}

/// Held by a part of the worker that accepts, until it has stopped.
#[derive(Debug)]
pub struct LeaseGuard {
    preparing: Option<TaskTrackerToken>,
    _guard: TaskTrackerToken,
}

impl LeaseGuard {
    /// This part is prepared: the others may begin to accept.
    pub fn prepared(&mut self) {
        self.preparing = None;
    }
}

impl AcceptLease {
    /// Of a worker that shares its sockets with no other worker.
    pub fn unshared() -> Self {
        Self::new(None, Stage::Held)
    }

    /// Of a worker that accepts when it has the lock of this file.
    ///
    /// # Errors
    ///
    /// Another worker has the lock, and there is no thread that could wait for it.
    pub fn on(file: File) -> io::Result<Self> {
        Ok(match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Self::new(Some(file), Stage::Held),
            Err(Errno::WOULDBLOCK) => {
                debug!("another worker has the accept lease");
                let lease = Self::new(Some(file), Stage::Awaited);
                let waiting = lease.clone();
                // Not a task: nobody waits for a thread that still waits when the process ends.
                thread::Builder::new().spawn(move || waiting.wait_for_lock())?;
                lease
            }
            Err(error) => {
                warn!(
                    "cannot lock the file of the accept lease, so this worker accepts at once: {error}"
                );
                Self::new(Some(file), Stage::Held)
            }
        })
    }

    fn new(file: Option<File>, stage: Stage) -> Self {
        let file = file.map(Arc::new);
        Self(Arc::new(Inner {
            closed_sessions: ClosedSessions::in_file(file.clone()),
            file,
            stage: watch::Sender::new(stage),
            preparing: TaskTracker::new(),
            guards: TaskTracker::new(),
        }))
    }

    fn wait_for_lock(&self) {
        let Some(file) = &self.0.file else { return };
        let locked = loop {
            match flock(file, FlockOperation::LockExclusive) {
                Err(Errno::INTR) => {}
                locked => break locked,
            }
        };
        if let Err(error) = locked {
            warn!("cannot wait for the other worker to release the accept lease: {error}");
        }
        let was_awaited = self.0.stage.send_if_modified(|stage| {
            let awaited = *stage == Stage::Awaited;
            if awaited {
                *stage = Stage::Held;
            }
            awaited
        });
        if !was_awaited {
            self.unlock();
        }
    }

    fn unlock(&self) {
        // Held open: the successor may have to read what is left here.
        let unlocked = self.0.file.as_ref().map(|file| flock(file, FlockOperation::Unlock));
        if let Some(Err(error)) = unlocked {
            warn!(
                "cannot release the accept lease: {error}; the successor waits for this process's end"
            );
        }
    }

    /// For a part of this worker that accepts.
    pub fn guard(&self) -> LeaseGuard {
        LeaseGuard { preparing: Some(self.0.preparing.token()), _guard: self.0.guards.token() }
    }

    /// Whether this worker holds it, or held it.
    pub fn is_held(&self) -> bool {
        *self.0.stage.borrow() >= Stage::Held
    }

    /// Waits until this worker holds it.
    pub async fn held(&self) {
        self.reached(Stage::Held).await;
    }

    /// Waits until this worker holds it, and all its parts are prepared.
    pub async fn prepared(&self) {
        self.held().await;
        self.0.preparing.close();
        self.0.preparing.wait().await;
    }

    /// Waits until all parts of this worker are to stop accepting.
    pub async fn releasing(&self) {
        self.reached(Stage::Releasing).await;
    }

    /// Releases it, when all parts of this worker have stopped. A lease that is not held is given up.
    pub async fn release(&self) {
        let mut before = Stage::Released;
        self.0.stage.send_modify(|stage| {
            before = *stage;
            *stage = before.max(Stage::Releasing);
        });
        self.0.guards.close();
        self.0.guards.wait().await;
        self.0.stage.send_replace(Stage::Released);
        if before == Stage::Held {
            self.unlock();
        }
    }

    /// The sessions that this worker and its predecessor have closed.
    pub fn closed_sessions(&self) -> &ClosedSessions {
        &self.0.closed_sessions
    }

    async fn reached(&self, at_least: Stage) {
        // The sender is in `self`.
        let _ = self.0.stage.subscribe().wait_for(|stage| *stage >= at_least).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tempfile::TempDir;
    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    struct Slot(TempDir);

    impl Slot {
        fn new() -> Self {
            Self(TempDir::new().unwrap())
        }

        /// As the supervisor opens it: each worker has an open file of its own.
        fn lease(&self) -> AcceptLease {
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(false);
            AcceptLease::on(options.open(self.0.path().join("lease")).unwrap()).unwrap()
        }
    }

    #[tokio::test]
    async fn one_after_the_other() {
        let slot = Slot::new();
        let (first, second) = (slot.lease(), slot.lease());
        assert!(first.is_held() && !second.is_held());
        let mut guard = first.guard();
        assert!(
            timeout(Duration::from_millis(20), first.prepared()).await.is_err(),
            "not prepared"
        );
        guard.prepared();
        timeout(PATIENCE, first.prepared()).await.unwrap();

        let leaving = tokio::spawn({
            let first = first.clone();
            async move { first.release().await }
        });
        timeout(PATIENCE, first.releasing()).await.unwrap();
        assert!(!leaving.is_finished() && !second.is_held(), "one has not stopped yet");
        drop(guard);
        timeout(PATIENCE, leaving).await.unwrap().unwrap();
        timeout(PATIENCE, second.prepared()).await.unwrap();
        assert!(!slot.lease().is_held());
    }

    #[tokio::test]
    async fn a_worker_that_dies_has_released_it() {
        let slot = Slot::new();
        let (first, second) = (slot.lease(), slot.lease());
        drop(first);
        timeout(PATIENCE, second.prepared()).await.unwrap();
    }

    #[tokio::test]
    async fn a_worker_that_gives_up_waiting_is_passed_over() {
        let slot = Slot::new();
        let (first, second) = (slot.lease(), slot.lease());
        second.release().await;
        let third = slot.lease();
        first.release().await;
        timeout(PATIENCE, third.prepared()).await.unwrap();
    }

    #[tokio::test]
    async fn closed_sessions_reach_the_successor() {
        let slot = Slot::new();
        let (first, second) = (slot.lease(), slot.lease());
        first.closed_sessions().record(["a", "b"]);
        assert!(second.closed_sessions().contains("a") && !second.closed_sessions().contains("c"));
        first.release().await;
        first.closed_sessions().record(["c"]);
        assert!(second.closed_sessions().contains("c"), "also what is said later");
        let third = slot.lease();
        second.closed_sessions().record(["d"]);
        assert!(
            third.closed_sessions().contains("d") && !third.closed_sessions().contains("a"),
            "only the last one's sessions"
        );
        assert!(second.closed_sessions().contains("a"), "what was found stays");
        assert!(!AcceptLease::unshared().closed_sessions().contains("a"));
    }
}
