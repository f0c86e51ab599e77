//! The publishing side: what this worker says to the workers that hear it.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sticky_contract::{SlotCount, SlotId};
use tokio::sync::Notify;
use tokio::task::consume_budget;
use tokio::time::sleep;

use super::budget::{Budget, Reservation};
use super::local::Local;
use super::membership::Membership;
use super::subscribers::Subscribers;
use crate::health::HealthReporter;
use crate::log_limit::LogLimit;

/// How long senders wait for a subscriber that reads nothing. A worker that is merely busy reads
/// something meanwhile.
pub(super) const STUCK_TIMEOUT: Duration = Duration::from_secs(2);

/// The workers that hear this one.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) local: Arc<Local>,
    /// Where the sockets of all slots are.
    pub(super) directory: PathBuf,
    /// How many slots there are.
    pub(super) slots: SlotCount,
    pub(super) health: HealthReporter,
    pub(super) membership: Membership,
    pub(super) log: PublisherLog,
    budget: Budget,
    subscribers: Mutex<Subscribers>,
    /// A subscriber has said which channels it wants, or is gone.
    settled: Notify,
    /// Held by the one sender that looks after stuck subscribers for all that wait.
    watch: tokio::sync::Mutex<()>,
    /// How often the subscribers were locked.
    #[cfg(test)]
    pub(super) locks: std::sync::atomic::AtomicU64,
}

/// What others can have this worker log.
#[derive(Debug, Default)]
pub(super) struct PublisherLog {
    pub(super) unaccepted: LogLimit,
    pub(super) refused: LogLimit,
    pub(super) stuck: LogLimit,
}

impl Publisher {
    pub(super) fn new(
        local: Arc<Local>,
        directory: PathBuf,
        slots: SlotCount,
        health: HealthReporter,
        membership: Membership,
    ) -> Self {
        Self {
            local,
            directory,
            slots,
            health,
            membership,
            log: PublisherLog::default(),
            budget: Budget::default(),
            subscribers: Mutex::default(),
            settled: Notify::new(),
            watch: tokio::sync::Mutex::default(),
            #[cfg(test)]
            locks: std::sync::atomic::AtomicU64::default(),
        }
    }

    /// Whether there are other slots, whose workers may hear this one.
    pub(super) fn has_others(&self) -> bool {
        self.slots.get() > 1
    }

    /// Waits until the workers of these slots hear this one, and until all that do have said which channels
    /// they want.
    pub(super) async fn heard_by(&self, slots: HashSet<SlotId>) {
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            // From here on none is missed.
            settled.as_mut().enable();
            if self.have_settled(&slots) {
                return;
            }
            settled.await;
        }
    }

    fn have_settled(&self, slots: &HashSet<SlotId>) -> bool {
        let subscribers = self.lock();
        let is_there = |slot| subscribers.all().any(|one| one.slot == slot);
        subscribers.all().all(|one| one.is_synced) && slots.iter().copied().all(is_there)
    }

    /// The workers that want a channel's messages.
    pub(super) fn subscribers(&self, channel: &str) -> Vec<u64> {
        self.lock().wanting(channel).map(|one| one.node).collect()
    }

    /// Sends a message, whose frame this is, to all subscribers of the channel, by way of their queues.
    ///
    /// When too much waits, a sender is held back for as long as its subscribers make
    /// progress. A subscriber that makes none for [`STUCK_TIMEOUT`] while a sender waits is given up: its
    /// link is closed, so that it knows that it misses something.
    pub(super) async fn publish(&self, channel: &str, message: Vec<u8>) {
        let reached = match self.try_put(channel, message) {
            Ok(reached) => reached,
            Err((message, places)) => {
                let reservation = self.reserve(message.len(), places).await;
                self.lock().put(channel, message, reservation)
            }
        };
        if reached == 0 && self.membership.is_over() && self.has_others() {
            // It has left, and the others go on without it.
            self.health.dropped(1);
        }
        // The writers of the queues run in this thread too.
        consume_budget().await;
    }

    /// How many subscribers it has reached; the message itself, and in how many queues it is to wait, where
    /// too much waits already.
    fn try_put(&self, channel: &str, message: Vec<u8>) -> Result<usize, (Vec<u8>, usize)> {
        let subscribers = self.lock();
        let places = subscribers.wanting(channel).count();
        if places == 0 {
            return Ok(0);
        }
        match self.budget.try_reserve(message.len(), places) {
            Some(reservation) => Ok(subscribers.put(channel, message, reservation)),
            None => Err((message, places)),
        }
    }

    async fn reserve(&self, bytes: usize, places: usize) -> Reservation {
        tokio::select! {
            biased;
            reservation = self.budget.reserve(bytes, places) => reservation,
            reservation = self.give_up_stuck() => reservation,
        }
    }

    /// Gives up subscribers that read nothing: one sender does so for all, as long as it waits itself.
    async fn give_up_stuck<T>(&self) -> T {
        let _watch = self.watch.lock().await;
        loop {
            let before = self.lock().progress();
            #[expect(
                clippy::disallowed_methods,
                reason = "what is waited for is that nothing happens"
            )]
            sleep(STUCK_TIMEOUT).await;
            self.change(|subscribers| subscribers.give_up_stuck_since(&before));
        }
    }

    /// Changes the subscribers, or what is known of one.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Subscribers) -> T) -> T {
        let mut subscribers = self.lock();
        let changed = change(&mut subscribers);
        let peers = u16::try_from(subscribers.len()).unwrap_or(u16::MAX);
        drop(subscribers);
        self.health.peers(peers);
        self.settled.notify_waiters();
        changed
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Subscribers> {
        #[cfg(test)]
        self.locks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
