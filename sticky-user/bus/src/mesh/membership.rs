//! A worker's membership in the mesh: as long as it holds the accept lease.

use std::future::Future;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Ends all links of this worker when it leaves. Clones are of the same worker.
#[derive(Clone, Debug, Default)]
pub(super) struct Membership {
    over: CancellationToken,
    links: TaskTracker,
}

impl Membership {
    /// Runs the task of a link, which is to end soon when the worker leaves.
    pub(super) fn spawn_link(&self, link: impl Future<Output = ()> + Send + 'static) {
        self.links.spawn(link);
    }

    /// Whether the worker has left, or is about to.
    pub(super) fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Waits until the worker leaves.
    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }

    /// Leaves: returns when all links have ended. The other workers open theirs again, and get to the
    /// worker that holds the lease next.
    pub(super) async fn leave(&self) {
        self.over.cancel();
        self.links.close();
        self.links.wait().await;
    }
}
