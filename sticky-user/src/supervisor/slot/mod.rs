//! The life of a slot: what happened goes in, what is to be done comes out.
//!
//! ```text
//!             ┌────── backing-off, or failed after several in a row ◄──────┐
//!             ▼                                                            │
//! vacant ─► starting ───────► ready ─────────────────► (worker gone) ──────┤
//!             │ not ready       │ │ hung                                   │
//!             │ in time         │ └────────► ending (killed) ──────────────┤
//!             └─────────────────┼──────────► ending (killed) ──────────────┘
//!                               │ the server stops
//!                               └─► draining ─► stopped (killed when its time is over)
//! ```
//!
//! While a worker is replaced, the slot has two workers: the serving one, and beside it first its
//! successor, which starts, then its predecessor, which drains. A slot without a serving worker for too
//! long is away: other slots serve its clients, until its worker has been ready for a while. No clock and
//! no process is in here, so that every path can be tested.

mod event;
mod limits;
mod note;
mod worker_state;

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;

use std::time::Instant;

pub(crate) use event::{Action, Event, Why, WorkerId};
pub(crate) use limits::Limits;
pub(crate) use note::{Clock, Note};
use worker_state::WorkerState;

/// So many failures in a row, and the slot is called failed. Its worker is started all the same.
const FAILED: u32 = 5;

/// One slot.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    limits: Limits,
    /// The worker that serves, or is to.
    main: Option<WorkerState>,
    /// Its successor, which starts, or its predecessor, which drains.
    other: Option<WorkerState>,
    /// When the next worker is started, where there is none.
    retry: Option<Instant>,
    /// Since when nobody has served here steadily.
    unserved: Option<Instant>,
    /// Others serve its clients.
    away: bool,
    ending: bool,
    started: WorkerId,
    failures: u32,
    restarts: u64,
}

impl Slot {
    /// A slot without a worker.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            main: None,
            other: None,
            retry: None,
            unserved: None,
            away: false,
            ending: false,
            started: 0,
            failures: 0,
            restarts: 0,
        }
    }

    /// Where it stands, as `sticky status` names it.
    pub(crate) fn name(&self) -> &'static str {
        match &self.main {
            Some(worker) => worker.life.name(),
            None if self.is_stopped() => "stopped",
            None if self.ending => "draining",
            None if self.failures >= FAILED => "failed",
            None if self.retry.is_some() => "backing-off",
            None => "vacant",
        }
    }

    /// The worker that serves, or is to.
    pub(crate) fn main(&self) -> Option<WorkerId> {
        self.main.as_ref().map(|worker| worker.id)
    }

    /// Its successor or predecessor.
    pub(crate) fn other(&self) -> Option<WorkerId> {
        self.other.as_ref().map(|worker| worker.id)
    }

    /// Whether a worker serves.
    pub(crate) fn is_ready(&self) -> bool {
        self.main.as_ref().is_some_and(WorkerState::is_ready)
    }

    /// Whether others serve its clients.
    pub(crate) fn is_away(&self) -> bool {
        self.away
    }

    /// Whether nobody is here any more, and nobody is to come.
    pub(crate) fn is_stopped(&self) -> bool {
        self.ending && self.main.is_none() && self.other.is_none()
    }

    /// Whether this worker is to end, for which it has time.
    pub(crate) fn drains(&self, id: WorkerId) -> bool {
        self.worker(id).is_some_and(WorkerState::drains)
    }

    /// Whether this worker has said WATCHDOG=1.
    pub(crate) fn is_watched(&self, id: WorkerId) -> bool {
        self.worker(id).is_some_and(WorkerState::is_watched)
    }

    /// Whether two workers are here.
    pub(crate) fn is_replacing(&self) -> bool {
        self.other.is_some()
    }

    /// Failures in a row.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// How often a worker was started here since one had failed.
    pub(crate) fn restarts(&self) -> u64 {
        self.restarts
    }

    /// When [`Event::Deadline`] is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let of = |worker: &Option<WorkerState>| {
            worker.as_ref().and_then(|worker| worker.deadline(self.limits.watchdog))
        };
        let times = [of(&self.main), of(&self.other), self.retry, self.failover(), self.steady()];
        times.into_iter().flatten().min()
    }

    /// Goes on with its life. An event that does not fit changes nothing.
    #[must_use]
    pub(crate) fn on(&mut self, event: Event, now: Instant) -> Vec<Action> {
        match event {
            Event::Start if self.main.is_none() && self.retry.is_none() && !self.ending => {
                vec![self.spawn(now)]
            }
            Event::Start => vec![],
            Event::Ready(id) => self.ready(id, now),
            Event::Alive(id) => {
                for worker in self.workers().filter(|worker| worker.id == id) {
                    worker.heard(now);
                }
                vec![]
            }
            Event::Gone(id) => self.gone(id, now),
            Event::Deadline => self.due(now),
            Event::Replace => self.replace(now),
            Event::Stop(until) => {
                self.ending = true;
                self.retry = None;
                self.workers().filter_map(|worker| worker.terminate(until)).collect()
            }
            Event::Kill => {
                self.ending = true;
                self.retry = None;
                self.workers().filter_map(|worker| worker.kill(Why::Asked)).collect()
            }
        }
    }

    fn ready(&mut self, id: WorkerId, now: Instant) -> Vec<Action> {
        let until = now + self.limits.drain;
        if let Some(successor) = self.other.take_if(|other| other.id == id && other.is_starting()) {
            let predecessor = self.main.replace(successor.ready(now));
            self.other = predecessor;
            return self
                .other
                .as_mut()
                .and_then(|worker| worker.terminate(until))
                .into_iter()
                .collect();
        }
        if let Some(worker) = self.main.take_if(|main| main.id == id && main.is_starting()) {
            self.main = Some(worker.ready(now));
        }
        vec![]
    }

    fn gone(&mut self, id: WorkerId, now: Instant) -> Vec<Action> {
        if let Some(other) = self.other.take_if(|other| other.id == id) {
            if self.ending {
                return vec![];
            }
            let successor = self.main.as_ref().is_some_and(|main| main.id < other.id);
            return vec![if successor { Action::NotReplaced } else { Action::Replaced }];
        }
        let Some(worker) = self.main.take_if(|main| main.id == id) else {
            return vec![];
        };
        if self.ending {
            return vec![];
        }
        self.unserved.get_or_insert(now);
        if worker.has_been_ready_for(self.limits.backoff.window, now) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        // Its successor starts already.
        self.main = self.other.take_if(|other| other.is_starting());
        if self.main.is_none() {
            self.retry = Some(now + self.limits.backoff.delay(self.failures));
        }
        vec![]
    }

    fn replace(&mut self, now: Instant) -> Vec<Action> {
        if self.ending || self.is_replacing() {
            return vec![];
        }
        if self.retry.is_some() {
            return vec![self.spawn(now)];
        }
        if !self.is_ready() {
            return vec![];
        }
        self.started += 1;
        self.other = Some(WorkerState::starting(self.started, now + self.limits.ready));
        vec![Action::Spawn(self.started)]
    }

    fn due(&mut self, now: Instant) -> Vec<Action> {
        let watchdog = self.limits.watchdog;
        let mut actions: Vec<Action> =
            self.workers().filter_map(|worker| worker.due(watchdog, now)).collect();
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(self.retry) {
            self.restarts += 1;
            actions.push(self.spawn(now));
        }
        if is_due(self.failover()) {
            self.away = true;
            actions.push(Action::FailOver);
        }
        if is_due(self.steady()) {
            self.unserved = None;
            if std::mem::take(&mut self.away) {
                actions.push(Action::Return);
            }
        }
        actions
    }

    fn spawn(&mut self, now: Instant) -> Action {
        self.retry = None;
        self.started += 1;
        self.main = Some(WorkerState::starting(self.started, now + self.limits.ready));
        Action::Spawn(self.started)
    }

    fn worker(&self, id: WorkerId) -> Option<&WorkerState> {
        [&self.main, &self.other].into_iter().flatten().find(|worker| worker.id == id)
    }

    fn workers(&mut self) -> impl Iterator<Item = &mut WorkerState> {
        self.main.iter_mut().chain(self.other.iter_mut())
    }

    /// When others are to serve its clients.
    fn failover(&self) -> Option<Instant> {
        let due = self.unserved? + self.limits.failover?;
        (!self.ending && !self.away && !self.is_ready()).then_some(due)
    }

    /// When its worker, which was not there, has been there again for long enough.
    fn steady(&self) -> Option<Instant> {
        self.unserved?;
        self.main.as_ref()?.ready_since().map(|since| since + self.limits.backoff.window)
    }
}
