//! What this worker's links share: who it is, and what it wants and waits for. State, without tasks.

use sticky_contract::SlotId;
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
    pub(super) slot: SlotId,
    pub(super) subscriptions: Subscriptions,
    pub(super) pending: PendingResponses,
    pub(super) namespaces: Namespaces,
    /// Of this worker's clients.
    pub(super) backlogs: Backlogs,
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
    pub(super) fn new(node: u64, slot: SlotId, backlogs: &Backlogs) -> Self {
        Self {
            node,
            slot,
            subscriptions: Subscriptions::default(),
            pending: PendingResponses::default(),
            namespaces: Namespaces::new(backlogs.clone()),
            backlogs: backlogs.clone(),
            log: LinkLog::default(),
        }
    }

    /// The worker of `slot` has given this one up, or has left with messages that this one did not take:
    /// any client of this worker may have missed one.
    pub(super) fn missed(&self, slot: SlotId) {
        #[cfg(test)]
        self.log.times_missed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let clients = self.backlogs.end_all();
        if let Some(times) = self.log.missed.count() {
            warn!(
                %slot,
                "a worker closed its link to this one, which did not read for too long ({times} \
                 times): what it said meanwhile is missed here; {clients} clients are \
                 disconnected, so that they know"
            );
        }
    }
}
