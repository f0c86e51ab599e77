//! A worker's time in the mesh: as long as it holds the accept lease.

use std::future::Future;
use std::sync::Arc;

use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::publisher::Publisher;
use sticky_contract::lease::{AcceptLease, LeaseGuard};

/// Ends all links of this worker when it leaves. Clones are of the same worker.
#[derive(Clone, Debug, Default)]
pub(super) struct Stay {
    over: CancellationToken,
    links: TaskTracker,
}

impl Stay {
    /// Runs a link, which is to end soon when the worker leaves.
    pub(super) fn link(&self, link: impl Future<Output = ()> + Send + 'static) {
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

    /// Serves those who open a link as long as this worker holds the lease. Then ends all links: the
    /// other workers open theirs again, and get to the worker that holds the lease next.
    pub(super) async fn serve_while_leased(
        self,
        publisher: Arc<Publisher>,
        listener: UnixListener,
        lease: AcceptLease,
        guard: LeaseGuard,
    ) {
        lease.held().await;
        tokio::select! {
            biased;
            () = lease.releasing() => {}
            () = publisher.accept(&listener) => {}
        }
        // Whoever comes now waits for the next worker.
        drop(listener);
        self.over.cancel();
        self.links.close();
        self.links.wait().await;
        drop(guard);
    }
}
