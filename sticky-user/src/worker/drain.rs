//! The end of a worker, in order: told to drain, queue empty, connections ended.

use tokio_util::sync::CancellationToken;

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
