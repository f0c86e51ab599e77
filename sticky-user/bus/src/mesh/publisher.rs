//! The publishing side: what this worker says to those that hear it.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::consume_budget;
use tokio::time::sleep;

use super::budget::{Budget, Room};
use super::error::FrameError;
use super::frame;
use super::stay::Stay;
use super::subscribers::Subscribers;
use crate::health::HealthReporter;
use crate::seldom::Seldom;

/// How long senders wait for a subscriber that reads nothing. A worker that is merely busy reads
/// something meanwhile.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// The workers that hear this one.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) node: u64,
    /// How many slots there are.
    pub(super) slots: u32,
    pub(super) health: HealthReporter,
    pub(super) stay: Stay,
    pub(super) log: Log,
    budget: Budget,
    subscribers: Mutex<Subscribers>,
    /// A subscriber has said what it wants, or is gone.
    settled: Notify,
    /// Held by the one sender that looks after stuck subscribers for all that wait.
    watch: tokio::sync::Mutex<()>,
}

/// What others can have this worker log.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) unaccepted: Seldom,
    pub(super) refused: Seldom,
    pub(super) stuck: Seldom,
}

impl Publisher {
    pub(super) fn new(node: u64, slots: u32, health: HealthReporter, stay: Stay) -> Self {
        Self {
            node,
            slots,
            health,
            stay,
            log: Log::default(),
            budget: Budget::default(),
            subscribers: Mutex::default(),
            settled: Notify::new(),
            watch: tokio::sync::Mutex::default(),
        }
    }

    /// Waits until the workers of these slots hear this one, and until all that do have said what they
    /// want.
    pub(super) async fn heard_by(&self, slots: HashSet<u32>) {
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

    fn have_settled(&self, slots: &HashSet<u32>) -> bool {
        let subscribers = self.lock();
        let is_there = |slot| subscribers.all().any(|link| link.slot == slot);
        subscribers.all().all(|link| link.settled) && slots.iter().copied().all(is_there)
    }

    /// The workers that want a channel's messages.
    pub(super) fn subscribers(&self, channel: &str) -> Vec<u64> {
        self.lock().wanting(channel).map(|link| link.node).collect()
    }

    /// Sends a message to all who want it, by way of their queues.
    ///
    /// When too much waits, a sender is held back for as long as those who are to read it make
    /// progress. One that makes none for [`PATIENCE`] while a sender waits is given up: its link
    /// is closed, so that it knows that it misses something.
    pub(super) async fn publish(&self, channel: &str, payload: &[u8]) -> Result<(), FrameError> {
        let places = self.lock().wanting(channel).count();
        let mut reached = 0;
        if places > 0 {
            let room = self.room(channel.len() + payload.len(), places).await;
            let message = frame::message(channel, payload)?;
            reached = self.lock().put(channel, message, room);
        }
        if reached == 0 && self.stay.is_over() && self.slots > 1 {
            // It has left, and the others go on without it.
            self.health.dropped(1);
        }
        // The writers of the queues run in this thread too.
        consume_budget().await;
        Ok(())
    }

    async fn room(&self, bytes: usize, places: usize) -> Room {
        if let Some(room) = self.budget.try_take(bytes, places) {
            return room;
        }
        tokio::select! {
            biased;
            room = self.budget.take(bytes, places) => room,
            room = self.give_up_stuck() => room,
        }
    }

    /// Gives up those that read nothing: one sender does so for all, as long as it waits itself.
    async fn give_up_stuck<T>(&self) -> T {
        let _watch = self.watch.lock().await;
        loop {
            let before = self.lock().progress();
            sleep(PATIENCE).await; // real delay: what is waited for is that nothing happens
            self.change(|subscribers| subscribers.give_up_stuck_since(&before));
        }
    }

    /// Changes who hears this worker, or what has been heard of them.
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
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
