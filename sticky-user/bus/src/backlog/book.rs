//! The accounts of all sessions of a worker.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockWriteGuard, Weak};
use std::time::Duration;

use socketioxide_core::Sid;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::account::Backlog;
use super::senders::{Lanes, Turn};
use super::{HURRY, PACKET, PATIENCE, USUAL_BUFFER};

/// The accounts of a worker's sessions. Clones are the same ones.
#[derive(Clone, Debug)]
pub struct Backlogs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: AtomicUsize,
    /// As many packets, at most.
    packets: AtomicUsize,
    by_id: RwLock<HashMap<Sid, Weak<Backlog>>>,
    /// Broadcasts that no client has sent.
    pub(super) lanes: Lanes,
    given_up: watch::Sender<u64>,
    hurried: AtomicBool,
}

impl Backlogs {
    /// Those of this process.
    pub fn of_this_process() -> Self {
        static BACKLOGS: OnceLock<Backlogs> = OnceLock::new();
        BACKLOGS.get_or_init(|| Self::new(USUAL_BUFFER)).clone()
    }

    /// As many bytes may wait for each client.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Inner {
            limit: AtomicUsize::new(limit),
            packets: AtomicUsize::new(usize::MAX),
            by_id: RwLock::default(),
            lanes: Lanes::default(),
            given_up: watch::Sender::new(0),
            hurried: AtomicBool::new(false),
        }))
    }

    /// As much may wait for each client.
    pub fn set_limit(&self, limit: usize) {
        self.0.limit.store(limit, Ordering::Relaxed);
    }

    /// The engine's queue of each client holds so many packets. A broadcast may fill half of it.
    pub fn fit(&self, packets: usize) {
        self.0.packets.store((packets / 2).max(1), Ordering::Relaxed);
    }

    /// What a packet weighs beside its bytes.
    pub(super) fn packet(&self) -> usize {
        PACKET.max(self.limit() / self.0.packets.load(Ordering::Relaxed))
    }

    pub(super) fn limit(&self) -> usize {
        self.0.limit.load(Ordering::Relaxed)
    }

    /// Whether messages of the bus pile up while they wait for clients.
    pub fn hurry(&self, hurried: bool) {
        if self.0.hurried.swap(hurried, Ordering::Relaxed) != hurried {
            self.all().iter().for_each(|backlog| backlog.look_again());
        }
    }

    /// How long a client may take.
    pub(super) fn patience(&self) -> Duration {
        if self.0.hurried.load(Ordering::Relaxed) { HURRY } else { PATIENCE }
    }

    fn all(&self) -> Vec<Arc<Backlog>> {
        let by_id = self.0.by_id.read().unwrap_or_else(PoisonError::into_inner);
        by_id.values().filter_map(Weak::upgrade).collect()
    }

    /// How many clients were disconnected because they did not read.
    pub fn given_up(&self) -> watch::Receiver<u64> {
        self.0.given_up.subscribe()
    }

    /// The accounts of these sessions; some may have none.
    pub fn of(&self, ids: &[Sid]) -> Vec<Arc<Backlog>> {
        let by_id = self.0.by_id.read().unwrap_or_else(PoisonError::into_inner);
        ids.iter().filter_map(|id| by_id.get(id)?.upgrade()).collect()
    }

    /// Waits until none of these sessions is behind, but no longer than one client may take: those that
    /// fell behind meanwhile have room for one packet more. `ids` is asked again whenever that took time.
    pub async fn room(&self, ids: impl Fn() -> Vec<Sid>) -> Vec<Arc<Backlog>> {
        let begin = Instant::now();
        loop {
            let backlogs = self.of(&ids());
            let behind = backlogs.iter().filter_map(|one| Some((one.deadline()?, one)));
            // One after the other, the latest last: their times run side by side.
            let Some((deadline, behind)) = behind.min_by_key(|(deadline, _)| *deadline) else {
                return backlogs;
            };
            let end = begin + self.patience();
            if end < deadline && end <= Instant::now() {
                return backlogs;
            }
            // Those that were behind from the beginning are late by now.
            let _ = timeout_at(end, behind.room()).await;
        }
    }

    /// Waits for the turn of a broadcast: those of one client are sent one after the other, and it is
    /// not heard meanwhile. `rooms` are where a broadcast goes that is of no client.
    pub async fn turn<T: std::hash::Hash>(&self, sender: Option<Sid>, rooms: &T) -> Turn {
        match sender.and_then(|id| self.of(&[id]).pop()) {
            Some(sender) => Turn::of(sender).await,
            None => self.0.lanes.turn(rooms).await,
        }
    }

    /// Ends these sessions: their clients missed something.
    pub fn end(&self, ids: &[Sid]) {
        self.of(ids).iter().for_each(|backlog| backlog.give_up());
    }

    /// Ends all sessions, for it is not known which of their clients missed something. How many these were.
    pub fn end_all(&self) -> usize {
        let ended = self.all().iter().filter(|backlog| backlog.end()).count();
        self.0.given_up.send_modify(|clients| *clients += ended as u64);
        ended
    }

    pub(super) fn enter(&self, id: Sid, backlog: &Arc<Backlog>) {
        self.write().insert(id, Arc::downgrade(backlog));
    }

    pub(super) fn leave(&self, id: Sid) {
        self.write().remove(&id);
    }

    pub(super) fn count_given_up(&self) {
        self.0.given_up.send_modify(|clients| *clients += 1);
        warn!(
            "a client is disconnected: it did not read for too long what was sent to it, and as much as \
             may wait for it does (--client-buffer, STICKY_CLIENT_BUFFER)"
        );
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Sid, Weak<Backlog>>> {
        self.0.by_id.write().unwrap_or_else(PoisonError::into_inner)
    }
}
