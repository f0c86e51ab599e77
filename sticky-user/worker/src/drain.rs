//! The end of a worker, in this order:
//!
//! 1. `draining` begins: every answer says `Connection: close`, and no session is opened.
//! 2. The sessions of Socket.IO are closed, while the worker still accepts (`sessions/close.rs`); `first` counts
//!    who has such work to do.
//! 3. The `last_call`: connections that wait in the queue are accepted, and no more (`accept.rs`).
//! 4. `queue_empty`: the accept lease is released, and the next worker accepts.
//! 5. Clients that are connected have a moment of [`SILENCE`] for one more request, then idle connections
//!    are closed (`idle.rs`).
//! 6. `open` is empty: the last request was answered, the last WebSocket has gone. The process ends.
//!
//! All of it takes no longer than `timeout`.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use sticky_contract::lease::AcceptLease;

/// How long a client that is connected may say nothing before its connection is closed: time for
/// one more request, whose answer tells it to connect anew. A Socket.IO client whose session has
/// ended comes back after at most 1.5 s, perhaps over a connection that it has kept.
const SILENCE: Duration = Duration::from_secs(2);

/// The part of the time to drain that no wait for a client may exceed.
const SMALL_PART: u32 = 4;

/// Resolves when the worker begins to drain.
///
/// From then on every answer tells its client to connect anew. When the sessions of Socket.IO have
/// been closed ([`Worker::socketio`](crate::Worker::socketio)), it accepts what still waits in its queue and no more,
/// finishes requests, and exits when the last connection has ended. What else would go on for ever
/// is the application's to close.
///
/// ```no_run
/// # use sticky_worker::Worker;
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
    /// What has to be done while connections are still accepted.
    pub(super) first: TaskTracker,
    /// Connections that wait are still accepted, and then none.
    pub(super) last_call: CancellationToken,
    /// No connection waits to be accepted any more.
    pub(super) queue_empty: CancellationToken,
    /// Connections.
    pub(super) open: TaskTracker,
    /// All this may take as long.
    pub(super) timeout: Duration,
}

impl Drain {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            draining: Draining::new(),
            first: TaskTracker::new(),
            last_call: CancellationToken::new(),
            queue_empty: CancellationToken::new(),
            open: TaskTracker::new(),
            timeout,
        }
    }

    /// From the beginning to the moment when the next worker accepts.
    pub(super) async fn hand_over(&self, lease: &AcceptLease) {
        self.first.close();
        self.first.wait().await;
        self.last_call.cancel();
        self.queue_empty.cancelled().await;
        lease.release().await;
    }

    /// Waits until no client is left, or those that are left say nothing.
    pub(super) async fn all_heard(&self) {
        self.queue_empty.cancelled().await;
        let _ = tokio::time::timeout(self.at_most(SILENCE), self.open.wait()).await;
    }

    /// A wait for a client, where all of it should not take long.
    pub(super) fn at_most(&self, wait: Duration) -> Duration {
        wait.min(self.timeout / SMALL_PART)
    }
}
