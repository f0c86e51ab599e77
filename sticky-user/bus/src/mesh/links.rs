//! The links to the workers of all other slots, to hear them.
//!
//! A slot's bus socket is the supervisor's: a link that is opened while the slot has no worker waits in
//! the socket's queue for the next one, and the subscriptions are said when that one answers.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socketioxide_redis::drivers::ChanItem;
use tokio::sync::mpsc::{Sender, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::link::{self, Command};
use super::local::Local;
use super::membership::Membership;
use sticky_contract::SlotId;
use sticky_contract::lease::AcceptLease;

/// How long to wait for workers that do not answer. Workers that run answer at once.
pub(super) const SYNC_TIMEOUT: Duration = Duration::from_millis(300);

/// Links to the workers of all other slots.
#[derive(Debug)]
pub(super) struct Links {
    local: Arc<Local>,
    links: Vec<LinkHandle>,
}

/// What this worker's other tasks have of a link, whose task keeps it open.
#[derive(Debug)]
struct LinkHandle {
    slot: SlotId,
    commands: UnboundedSender<Command>,
    /// The other worker has answered.
    is_live: Arc<AtomicBool>,
}

impl Links {
    /// Opens the links when the lease is held, and opens each again whenever it closes, until this is
    /// dropped or the worker leaves.
    pub(super) fn open(
        local: Arc<Local>,
        peers: impl Iterator<Item = (SlotId, PathBuf)>,
        lease: &AcceptLease,
        membership: &Membership,
    ) -> Self {
        let open = |(slot, path)| {
            let (commands, requests) = unbounded_channel();
            let is_live = Arc::new(AtomicBool::new(false));
            let (local, live) = (Arc::clone(&local), Arc::clone(&is_live));
            let (lease, leaving) = (lease.clone(), membership.clone());
            membership.spawn_link(async move {
                let keeping = async {
                    lease.held().await;
                    link::keep(slot, path, local, requests, live).await;
                };
                tokio::select! {
                    () = keeping => {}
                    () = leaving.over() => {}
                }
            });
            LinkHandle { slot, commands, is_live }
        };
        let links = peers.map(open).collect();
        Self { local, links }
    }

    /// The slots whose workers have answered.
    pub(super) fn live(&self) -> HashSet<SlotId> {
        self.links.iter().filter(|link| link.is_live()).map(|link| link.slot).collect()
    }

    /// Waits until the workers that run know the subscriptions of this one.
    pub(super) async fn settled(&self) {
        self.sync(|_| true).await;
    }

    /// Begins to hear a channel; returns when the workers that run know it.
    pub(super) async fn subscribe(&self, channel: String, messages: Sender<ChanItem>) {
        // First the subscription, then the command: a link that opens in between reads the former.
        self.local.subscriptions.insert(channel.clone(), messages);
        self.command(|| Command::Subscribe(channel.clone()));
        self.sync(LinkHandle::is_live).await;
    }

    pub(super) fn unsubscribe(&self, channel: &str) {
        self.local.subscriptions.remove(channel);
        self.command(|| Command::Unsubscribe(channel.into()));
    }

    fn command(&self, command: impl Fn() -> Command) {
        for link in &self.links {
            // The task of a link lives as long as this.
            let _ = link.commands.send(command());
        }
    }

    async fn sync(&self, concerned: impl Fn(&LinkHandle) -> bool) {
        let answers: Vec<_> = self
            .links
            .iter()
            .filter(|link| concerned(link))
            .map(|link| {
                let (answer, answered) = oneshot::channel();
                let _ = link.commands.send(Command::Sync(answer));
                answered
            })
            .collect();
        let all = async {
            for answered in answers {
                // Closed instead of answered: that worker has gone, and counts no longer.
                let _ = answered.await;
            }
        };
        let _ = tokio::time::timeout(SYNC_TIMEOUT, all).await;
    }
}

impl LinkHandle {
    fn is_live(&self) -> bool {
        self.is_live.load(Ordering::Relaxed)
    }
}
