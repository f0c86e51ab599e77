//! What this worker's links share: who it is, and what it wants and waits for. State, without tasks.

use tracing::warn;

use super::pending::PendingResponses;
use super::subscriptions::Subscriptions;
use crate::backlog::Backlogs;
use crate::log_limit::LogLimit;
use crate::namespaces::Namespaces;

/// This worker, as its links know it.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) node: u64,
    pub(super) slot: u32,
    pub(super) subscriptions: Subscriptions,
    pub(super) pending: PendingResponses,
    pub(super) namespaces: Namespaces,
    /// What others can have this worker log.
    pub(super) log: LinkLog,
}

#[derive(Debug, Default)]
pub(super) struct LinkLog {
    pub(super) missed: LogLimit,
    pub(super) unexpected: LogLimit,
    #[cfg(test)]
    pub(super) times_missed: std::sync::atomic::AtomicU64,
}

impl Local {
    pub(super) fn new(node: u64, slot: u32) -> Self {
        Self {
            node,
            slot,
            subscriptions: Subscriptions::default(),
            pending: PendingResponses::default(),
            namespaces: Namespaces::default(),
            log: LinkLog::default(),
        }
    }

    /// The worker of `slot` has given this one up, or has left with messages that this one did not take:
    /// any client of this worker may have missed one.
    pub(super) fn missed(&self, slot: u32) {
        #[cfg(test)]
        self.log.times_missed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let clients = Backlogs::of_this_process().end_all();
        if let Some(times) = self.log.missed.count() {
            warn!(
                slot,
                "a worker closed its link to this one, which did not read for too long ({times} \
                 times): what it said meanwhile is missed here; {clients} clients are \
                 disconnected, so that they know"
            );
        }
    }
}
