//! A slot's life as it is noted for the next supervisor.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::worker_state::{Life, WorkerState};
use super::{Event, Limits, Slot, WorkerId};

/// A time, in milliseconds of the host's monotonic clock, which all its processes share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Moment(u64);

/// Both ways to tell the time, at the same moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    now: Instant,
    moment: Moment,
}

/// All that is known of a slot.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Note {
    started: WorkerId,
    failures: u32,
    restarts: u64,
    /// Whether others serve its clients.
    pub away: bool,
    unserved: Option<Moment>,
    retry: Option<Moment>,
    main: Option<WorkerStateNote>,
    other: Option<WorkerStateNote>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct WorkerStateNote {
    id: WorkerId,
    life: LifeNote,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum LifeNote {
    Starting {
        until: Moment,
    },
    /// Whether it ever said WATCHDOG=1: when it did last is not worth a note each time.
    Ready {
        since: Moment,
        watched: bool,
    },
    Draining {
        until: Moment,
    },
    Ending,
}

impl Clock {
    /// The time now.
    pub(crate) fn now() -> Self {
        let time = clock_gettime(ClockId::Monotonic);
        let milliseconds =
            time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000);
        let moment = Moment(u64::try_from(milliseconds).unwrap_or(0));
        Self { now: Instant::now(), moment }
    }

    #[cfg(test)]
    pub(super) fn at(now: Instant, milliseconds: u64) -> Self {
        Self { now, moment: Moment(milliseconds) }
    }

    fn note(self, at: Instant) -> Moment {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let Self { now, moment: Moment(moment) } = self;
        Moment(if at >= now {
            moment.saturating_add(milliseconds(at.duration_since(now)))
        } else {
            moment.saturating_sub(milliseconds(now.duration_since(at)))
        })
    }

    /// A time that has been, whatever the note says.
    fn past(self, Moment(at): Moment) -> Instant {
        let ago = Duration::from_millis(self.moment.0.saturating_sub(at));
        self.now.checked_sub(ago).unwrap_or(self.now)
    }

    /// A time at which something is due: now, if it has been, and in `most` at the latest.
    fn due(self, Moment(at): Moment, most: Duration) -> Instant {
        self.now + Duration::from_millis(at.saturating_sub(self.moment.0)).min(most)
    }
}

impl Note {
    /// The worker that served, or was to.
    pub(crate) fn main(&self) -> Option<WorkerId> {
        self.main.as_ref().map(|worker| worker.id)
    }

    /// Its successor or predecessor.
    pub(crate) fn other(&self) -> Option<WorkerId> {
        self.other.as_ref().map(|worker| worker.id)
    }

    /// How often a worker was started here since one had failed.
    pub(crate) fn restarts(&self) -> u64 {
        self.restarts
    }
}

impl Slot {
    /// All that the next supervisor has to know of it.
    pub(crate) fn note(&self, clock: Clock) -> Note {
        let worker = |worker: &WorkerState| WorkerStateNote {
            id: worker.id,
            life: match worker.life {
                Life::Starting { until } => LifeNote::Starting { until: clock.note(until) },
                Life::Ready { since, heard } => {
                    LifeNote::Ready { since: clock.note(since), watched: heard.is_some() }
                }
                Life::Draining { until } => LifeNote::Draining { until: clock.note(until) },
                Life::Ending => LifeNote::Ending,
            },
        };
        Note {
            started: self.started,
            failures: self.failures,
            restarts: self.restarts,
            away: self.away,
            unserved: self.unserved.map(|at| clock.note(at)),
            retry: self.retry.map(|at| clock.note(at)),
            main: self.main.as_ref().map(worker),
            other: self.other.as_ref().map(worker),
        }
    }

    /// The slot that an earlier supervisor noted; `there` are its workers that still run.
    #[must_use]
    pub(crate) fn resumed(limits: Limits, note: &Note, there: &[WorkerId], clock: Clock) -> Self {
        let worker = |note: &WorkerStateNote| note.resumed(&limits, clock);
        let mut slot = Self {
            started: note.started,
            failures: note.failures,
            restarts: note.restarts,
            away: note.away,
            unserved: note.unserved.map(|at| clock.past(at)),
            retry: note.retry.map(|at| clock.due(at, limits.backoff.most)),
            main: note.main.as_ref().map(worker),
            other: note.other.as_ref().map(worker),
            ..Self::new(limits)
        };
        slot.go_on(there, clock.now);
        slot
    }

    /// Goes on under another supervisor, with the workers that still run.
    fn go_on(&mut self, there: &[WorkerId], now: Instant) {
        let known = [self.main(), self.other()];
        if self.other.is_none() && self.main.as_ref().is_some_and(WorkerState::drains) {
            // The earlier supervisor was about to end. Another worker need not wait for this one.
            self.other = self.main.take();
        }
        for gone in known.into_iter().flatten().filter(|id| !there.contains(id)) {
            let _ = self.on(Event::Gone(gone), now);
        }
        if self.main.is_none() {
            self.retry.get_or_insert(now);
            self.unserved.get_or_insert(now);
        }
        if self.away {
            self.unserved.get_or_insert(now);
        }
    }
}

impl WorkerStateNote {
    fn resumed(&self, limits: &Limits, clock: Clock) -> WorkerState {
        let life = match self.life {
            LifeNote::Starting { until } => {
                Life::Starting { until: clock.due(until, limits.ready) }
            }
            LifeNote::Ready { since, watched } => {
                Life::Ready { since: clock.past(since), heard: watched.then_some(clock.now) }
            }
            LifeNote::Draining { until } => {
                Life::Draining { until: clock.due(until, limits.drain) }
            }
            LifeNote::Ending => Life::Ending,
        };
        WorkerState { id: self.id, life }
    }
}
