//! Whose turn it is: at any time one worker of a slot accepts.
//!
//! A worker that is to be replaced and its successor have the same sockets. Between them goes a file
//! that both hold open (the descriptor named `turn`): whoever has its lock accepts. The lock of a
//! worker that dies is the kernel's to give away. Where no such file was passed, it is always
//! this worker's turn.
//!
//! Those who accept take part: some prepare before the others begin ([`LeaseGuard::prepared`]), and all
//! have stopped before the turn is passed on ([`LeaseGuard`] is dropped).

mod closed_sessions;

use std::fs::File;
use std::sync::{Arc, OnceLock};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{debug, warn};

use self::closed_sessions::ClosedSessions;
use sticky_sys::inherited;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Awaited,
    Here,
    /// Those who take part are to stop.
    Leaving,
    PassedOn,
}

/// This worker's turn. Clones are the same one.
#[derive(Clone, Debug)]
pub struct AcceptLease(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: Option<Arc<File>>,
    words: ClosedSessions,
    stage: watch::Sender<Stage>,
    preparing: TaskTracker,
    parts: TaskTracker,
}

/// Held by one that accepts, until it has stopped.
#[derive(Debug)]
pub struct LeaseGuard {
    preparing: Option<TaskTrackerToken>,
    _part: TaskTrackerToken,
}

impl LeaseGuard {
    /// Others may begin.
    pub fn prepared(&mut self) {
        self.preparing = None;
    }
}

impl AcceptLease {
    /// The turn of this process.
    pub fn of_this_process() -> Self {
        static TURN: OnceLock<AcceptLease> = OnceLock::new();
        let take = || match inherited::take("turn") {
            Ok(Some(file)) => Self::by(file.into()),
            // Whoever asks for a socket next is told what is wrong with the descriptors.
            Ok(None) | Err(_) => Self::always(),
        };
        TURN.get_or_init(take).clone()
    }

    /// There is nobody to take turns with.
    pub fn always() -> Self {
        Self::new(None, Stage::Here)
    }

    /// Whoever has the lock of this file accepts.
    pub fn by(file: File) -> Self {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Self::new(Some(file), Stage::Here),
            Err(Errno::WOULDBLOCK) => {
                debug!("another worker has the turn");
                let turn = Self::new(Some(file), Stage::Awaited);
                let waiting = turn.clone();
                // Not a task: nobody waits for a thread that still waits when the process ends.
                std::thread::spawn(move || waiting.wait_for_lock());
                turn
            }
            Err(error) => {
                warn!("cannot take turns with another worker: {error}");
                Self::new(Some(file), Stage::Here)
            }
        }
    }

    fn new(file: Option<File>, stage: Stage) -> Self {
        let file = file.map(Arc::new);
        Self(Arc::new(Inner {
            words: ClosedSessions::in_file(file.clone()),
            file,
            stage: watch::Sender::new(stage),
            preparing: TaskTracker::new(),
            parts: TaskTracker::new(),
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
            warn!("cannot wait for the other worker to pass the turn on: {error}");
        }
        let came = self.0.stage.send_if_modified(|stage| {
            let awaited = *stage == Stage::Awaited;
            if awaited {
                *stage = Stage::Here;
            }
            awaited
        });
        if !came {
            self.unlock();
        }
    }

    fn unlock(&self) {
        // Held open: the successor may have to read what is left here.
        let unlocked = self.0.file.as_ref().map(|file| flock(file, FlockOperation::Unlock));
        if let Some(Err(error)) = unlocked {
            warn!("cannot pass the turn on: {error}; the successor waits for this process's end");
        }
    }

    /// Takes part.
    pub fn part(&self) -> LeaseGuard {
        LeaseGuard { preparing: Some(self.0.preparing.token()), _part: self.0.parts.token() }
    }

    /// Whether it has come.
    pub fn has_come(&self) -> bool {
        *self.0.stage.borrow() >= Stage::Here
    }

    /// Waits until it has.
    pub async fn come(&self) {
        self.reached(Stage::Here).await;
    }

    /// Waits until it has, and until those who prepare for it have done so.
    pub async fn begun(&self) {
        self.come().await;
        self.0.preparing.close();
        self.0.preparing.wait().await;
    }

    /// Waits until those who take part are to stop.
    pub async fn ends(&self) {
        self.reached(Stage::Leaving).await;
    }

    /// Passes it on, when all who take part have stopped. One that has not come is given up.
    pub async fn pass_on(&self) {
        let mut before = Stage::PassedOn;
        self.0.stage.send_modify(|stage| {
            before = *stage;
            *stage = before.max(Stage::Leaving);
        });
        self.0.parts.close();
        self.0.parts.wait().await;
        self.0.stage.send_replace(Stage::PassedOn);
        if before == Stage::Here {
            self.unlock();
        }
    }

    /// What this worker leaves to its successor, and finds of its predecessor.
    pub fn words(&self) -> &ClosedSessions {
        &self.0.words
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
        fn turn(&self) -> AcceptLease {
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(false);
            AcceptLease::by(options.open(self.0.path().join("turn")).unwrap())
        }
    }

    #[tokio::test]
    async fn one_after_the_other() {
        let slot = Slot::new();
        let (first, second) = (slot.turn(), slot.turn());
        assert!(first.has_come() && !second.has_come());
        let mut part = first.part();
        assert!(timeout(Duration::from_millis(20), first.begun()).await.is_err(), "not prepared");
        part.prepared();
        timeout(PATIENCE, first.begun()).await.unwrap();

        let leaving = tokio::spawn({
            let first = first.clone();
            async move { first.pass_on().await }
        });
        timeout(PATIENCE, first.ends()).await.unwrap();
        assert!(!leaving.is_finished() && !second.has_come(), "one has not stopped yet");
        drop(part);
        timeout(PATIENCE, leaving).await.unwrap().unwrap();
        timeout(PATIENCE, second.begun()).await.unwrap();
        assert!(!slot.turn().has_come());
    }

    #[tokio::test]
    async fn who_goes_without_a_word_has_passed_it_on() {
        let slot = Slot::new();
        let (first, second) = (slot.turn(), slot.turn());
        drop(first);
        timeout(PATIENCE, second.begun()).await.unwrap();
    }

    #[tokio::test]
    async fn who_gives_up_waiting_is_passed_over() {
        let slot = Slot::new();
        let (first, second) = (slot.turn(), slot.turn());
        second.pass_on().await;
        let third = slot.turn();
        first.pass_on().await;
        timeout(PATIENCE, third.begun()).await.unwrap();
    }

    #[tokio::test]
    async fn words_reach_the_successor() {
        let slot = Slot::new();
        let (first, second) = (slot.turn(), slot.turn());
        first.words().leave(["a", "b"]);
        assert!(second.words().found("a") && !second.words().found("c"));
        first.pass_on().await;
        first.words().leave(["c"]);
        assert!(second.words().found("c"), "also what is said later");
        let third = slot.turn();
        second.words().leave(["d"]);
        assert!(third.words().found("d") && !third.words().found("a"), "only the last one's words");
        assert!(second.words().found("a"), "what was found stays");
        assert!(!AcceptLease::always().words().found("a"));
    }
}
