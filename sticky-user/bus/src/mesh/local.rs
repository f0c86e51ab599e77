//! What this worker's links share: who it is, and what it wants and waits for. State, without tasks.

use sticky_contract::SlotId;

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
}
