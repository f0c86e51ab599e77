//! The end of a worker, in order: told to drain, queue empty, connections ended.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a client that has connected may say nothing while the worker drains.
const SILENCE: Duration = Duration::from_secs(1);

/// Resolves when the worker begins to drain.
///
/// From then on it accepts what still waits in its queue, finishes requests, and exits when the
/// last connection has ended. What would go on for ever is the application's to close; for the
/// sessions of Socket.IO, [`sessions`](super::sessions) does it.
///
/// ```no_run
/// # use sticky_user::worker::Worker;
/// # fn example(worker: &Worker) {
/// let draining = worker.draining();
/// tokio::spawn(async move {
///     draining.begun().await;
///     println!("time to say goodbye");
/// });
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Draining(CancellationToken);

impl Draining {
    pub(super) fn new() -> Self {
        Self(CancellationToken::new())
    }

    pub(super) fn begin(&self) {
        self.0.cancel();
    }

    /// Waits until the worker begins to drain.
    pub async fn begun(&self) {
        self.0.cancelled().await;
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// The stages of draining, as those who take part in it share them.
#[derive(Clone, Debug)]
pub(super) struct Drain {
    pub(super) draining: Draining,
    /// Nobody waits to be accepted any more.
    pub(super) queue_empty: CancellationToken,
    /// Connections.
    pub(super) open: TaskTracker,
    /// Connections on which the client has said nothing yet.
    pub(super) silent: TaskTracker,
}

impl Drain {
    pub(super) fn new(draining: Draining) -> Self {
        Self {
            draining,
            queue_empty: CancellationToken::new(),
            open: TaskTracker::new(),
            silent: TaskTracker::new(),
        }
    }

    /// Waits until the queue is empty and those who came last have been heard: when hyper is told
    /// to end, it closes connections on which it has read nothing, and what their clients have
    /// sent is lost.
    pub(super) async fn all_heard(self) {
        self.queue_empty.cancelled().await;
        self.silent.close();
        // Whoever connects and says nothing is not waited for any longer.
        let _ = tokio::time::timeout(SILENCE, self.silent.wait()).await;
    }
}
