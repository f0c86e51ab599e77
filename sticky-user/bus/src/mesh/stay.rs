//! A worker's time in the mesh: from the moment when its turn comes to the moment when it is passed on.

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

    /// Serves those who open a link as long as it is this worker's turn. Then ends all links: the
    /// other workers open theirs again, and get to whoever has the turn next.
    pub(super) async fn leave_in_turn(
        self,
        publisher: Arc<Publisher>,
        listener: UnixListener,
        turn: AcceptLease,
        part: LeaseGuard,
    ) {
        turn.come().await;
        tokio::select! {
            biased;
            () = turn.ends() => {}
            () = publisher.accept(&listener) => {}
        }
        // Whoever comes now waits for the next worker.
        drop(listener);
        self.over.cancel();
        self.links.close();
        self.links.wait().await;
        drop(part);
    }
}
