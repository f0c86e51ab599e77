//! The backlogs of all sessions of a worker.

use std::sync::Arc;

use socketioxide_core::Sid;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::client::{Backlog, OfWorker};
use super::limits::DEFAULT_CLIENT_BUFFER;
use super::send_order::{SendPermit, Stripes};

/// The backlogs of a worker's sessions. Clones are the same ones.
#[derive(Clone, Debug)]
pub struct Backlogs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<OfWorker>,
    /// The order of broadcasts that no client has sent.
    stripes: Stripes,
}

impl Backlog {
    /// Of a session that is not joined yet.
    pub fn new(backlogs: &Backlogs) -> Arc<Self> {
        Self::sharing(&backlogs.0.shared)
    }
}

/// No session yet; 2 MiB may wait for each client.
impl Default for Backlogs {
    fn default() -> Self {
        Self::new(DEFAULT_CLIENT_BUFFER)
    }
}

impl Backlogs {
    /// No session yet; as many bytes may wait for each client.
    pub fn new(limit: usize) -> Self {
        let (shared, stripes) = (Arc::new(OfWorker::new(limit)), Stripes::default());
        Self(Arc::new(Inner { shared, stripes }))
    }

    /// The engine's queue of each client holds so many packets. A broadcast may fill half of it.
    pub fn fit(&self, packets: usize) {
        self.0.shared.limits.set_packets((packets / 2).max(1));
    }

    /// Messages of the bus pile up while they wait for clients, which have less time then; or do so no
    /// longer.
    pub(crate) fn set_pressed(&self, is_pressed: bool) {
        if self.0.shared.limits.set_pressed(is_pressed) {
            self.all().iter().for_each(|backlog| backlog.look_again());
        }
    }

    fn all(&self) -> Vec<Arc<Backlog>> {
        self.0.shared.sessions.all()
    }

    /// How many clients were disconnected because they did not read.
    pub(crate) fn given_up(&self) -> watch::Receiver<u64> {
        self.0.shared.limits.given_up()
    }

    /// The backlogs of these sessions; some may have none.
    fn of(&self, ids: &[Sid]) -> Vec<Arc<Backlog>> {
        self.0.shared.sessions.of(ids)
    }

    /// Waits until none of these sessions is behind, but no longer than one client may take: sessions that
    /// fell behind meanwhile have capacity for one packet more. `ids` is asked again whenever that took
    /// time.
    pub(crate) async fn capacity(&self, ids: impl Fn() -> Vec<Sid>) -> Vec<Arc<Backlog>> {
        let begin = Instant::now();
        loop {
            let backlogs = self.of(&ids());
            let behind = backlogs.iter().filter_map(|one| Some((one.deadline()?, one)));
            // One after the other, the latest last: their times run side by side.
            let Some((deadline, behind)) = behind.min_by_key(|(deadline, _)| *deadline) else {
                return backlogs;
            };
            let end = begin + self.0.shared.limits.client_timeout();
            if end < deadline && end <= Instant::now() {
                return backlogs;
            }
            // Sessions that were behind from the beginning are late by now.
            let _ = timeout_at(end, behind.capacity()).await;
        }
    }

    /// Waits until a broadcast may be sent: those of one client are sent one after the other, and the
    /// client is not heard meanwhile. `rooms` are where a broadcast goes that no client has sent.
    pub(crate) async fn send_permit<T: std::hash::Hash>(
        &self,
        sender: Option<Sid>,
        rooms: &T,
    ) -> SendPermit {
        match sender.and_then(|id| self.of(&[id]).pop()) {
            Some(sender) => SendPermit::of_client(sender).await,
            None => self.0.stripes.send_permit(rooms).await,
        }
    }

    /// Ends these sessions: their clients missed something.
    pub(crate) fn end(&self, ids: &[Sid]) {
        self.of(ids).iter().for_each(|backlog| backlog.give_up());
    }

    /// Ends all sessions, for it is not known which of their clients missed something. How many these were.
    pub(crate) fn end_all(&self) -> usize {
        let ended = self.all().iter().filter(|backlog| backlog.end()).count();
        self.0.shared.limits.count_given_up(ended);
        ended
    }
}
