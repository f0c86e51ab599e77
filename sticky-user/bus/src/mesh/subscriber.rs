//! The subscribing side: a link to the worker of every other slot, to hear it.
//!
//! A slot's bus socket is the supervisor's: a link that is opened while the slot has no worker waits in
//! the socket's queue for the next one, and what is wanted is said when that one answers.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socketioxide_redis::drivers::ChanItem;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::ledger::Ledger;
use super::link;
use super::stay::Stay;
use crate::audience::Audience;
use crate::seldom::Seldom;
use sticky_contract::lease::AcceptLease;

/// How long to wait for workers that do not answer. Those that run answer at once.
pub(super) const GRACE: Duration = Duration::from_millis(300);

/// What a link is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    Subscribe(String),
    Unsubscribe(String),
    /// Tell when the publisher has heard everything so far. Dropped when the link closes.
    Sync(oneshot::Sender<()>),
}

/// This worker, as the others hear of it, and what it wants to hear.
#[derive(Debug)]
pub(super) struct Wishes {
    pub(super) node: u64,
    pub(super) slot: u32,
    pub(super) ledger: Ledger,
    pub(super) audience: Audience,
    /// What others can have this worker log.
    pub(super) log: Log,
    channels: Mutex<HashMap<String, mpsc::Sender<ChanItem>>>,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) missed: Seldom,
    pub(super) unasked: Seldom,
}

/// Links to the workers of all other slots.
#[derive(Debug)]
pub(super) struct Subscriber {
    wishes: Arc<Wishes>,
    links: Vec<Link>,
}

#[derive(Debug)]
struct Link {
    slot: u32,
    commands: UnboundedSender<Command>,
    /// The publisher has answered.
    live: Arc<AtomicBool>,
}

impl Wishes {
    pub(super) fn new(node: u64, slot: u32) -> Self {
        Self {
            node,
            slot,
            ledger: Ledger::default(),
            audience: Audience::default(),
            log: Log::default(),
            channels: Mutex::default(),
        }
    }

    pub(super) fn channels(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    pub(super) fn want(&self, channel: String, messages: mpsc::Sender<ChanItem>) {
        self.lock().insert(channel, messages);
    }

    pub(super) fn receiver(&self, channel: &str) -> Option<mpsc::Sender<ChanItem>> {
        self.lock().get(channel).cloned()
    }

    /// Answers in the place of somebody who cannot.
    pub(super) fn stand_in(
        &self,
        channel: &str,
        answers: impl Iterator<Item = Vec<u8>> + Send + 'static,
    ) {
        let Some(receiver) = self.receiver(channel) else {
            return;
        };
        let channel = channel.to_string();
        tokio::spawn(async move {
            for answer in answers {
                if receiver.send((channel.clone(), answer)).await.is_err() {
                    return;
                }
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, mpsc::Sender<ChanItem>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriber {
    /// Opens the links when the lease is held, and opens each again whenever it closes, until this is
    /// dropped or the worker leaves.
    pub(super) fn open(
        wishes: Arc<Wishes>,
        peers: impl Iterator<Item = (u32, PathBuf)>,
        lease: &AcceptLease,
        stay: &Stay,
    ) -> Self {
        let open = |(slot, path)| {
            let (commands, requests): (_, UnboundedReceiver<Command>) = unbounded_channel();
            let live = Arc::new(AtomicBool::new(false));
            let (wishes, is_live) = (Arc::clone(&wishes), Arc::clone(&live));
            let (lease, over) = (lease.clone(), stay.clone());
            stay.link(async move {
                let keeping = async {
                    lease.held().await;
                    link::keep(slot, path, wishes, requests, is_live).await;
                };
                tokio::select! {
                    () = keeping => {}
                    () = over.over() => {}
                }
            });
            Link { slot, commands, live }
        };
        let links = peers.map(open).collect();
        Self { wishes, links }
    }

    /// The slots whose workers have answered.
    pub(super) fn live(&self) -> HashSet<u32> {
        self.links.iter().filter(|link| link.is_live()).map(|link| link.slot).collect()
    }

    /// Waits until the workers that run have heard what this one wants.
    pub(super) async fn settled(&self) {
        self.sync(|_| true).await;
    }

    /// Begins to hear a channel; returns when the workers that run know it.
    pub(super) async fn subscribe(&self, channel: String, messages: mpsc::Sender<ChanItem>) {
        // First the wish, then the command: a link that opens in between reads the wish.
        self.wishes.want(channel.clone(), messages);
        self.command(|| Command::Subscribe(channel.clone()));
        self.sync(Link::is_live).await;
    }

    pub(super) fn unsubscribe(&self, channel: &str) {
        self.wishes.lock().remove(channel);
        self.command(|| Command::Unsubscribe(channel.into()));
    }

    fn command(&self, command: impl Fn() -> Command) {
        for link in &self.links {
            // The task of a link lives as long as this.
            let _ = link.commands.send(command());
        }
    }

    async fn sync(&self, concerned: impl Fn(&Link) -> bool) {
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
        let _ = tokio::time::timeout(GRACE, all).await;
    }
}

impl Link {
    fn is_live(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }
}
