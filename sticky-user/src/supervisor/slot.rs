//! The life of a slot: what happened goes in, what is to be done comes out.
//!
//! ```text
//! Vacant ─► Starting ─► Ready ─► Draining ─► Stopped
//!               │  ▲       │         │
//!               ▼  │       │         ▼
//!           BackingOff ◄───┴────── Ending (killed)
//! ```
//!
//! No clock and no process is in here, so that every path can be tested.

use std::time::{Duration, Instant};

use super::backoff::Backoff;

/// Where a slot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No worker, and none wanted yet.
    Vacant,
    /// The worker runs and has not said READY=1.
    Starting {
        /// When its time to get ready is over.
        until: Instant,
    },
    /// The worker serves.
    Ready {
        /// Since when.
        since: Instant,
    },
    /// No worker; the next is started later.
    BackingOff {
        /// When it is.
        until: Instant,
    },
    /// The worker was told to end.
    Draining {
        /// When its time to drain is over.
        until: Instant,
    },
    /// The worker was killed and has not ended yet.
    Ending {
        /// Whether another one follows.
        again: bool,
    },
    /// No worker, and no more wanted.
    Stopped,
}

impl State {
    /// Its name in `sticky status`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Vacant => "vacant",
            Self::Starting { .. } => "starting",
            Self::Ready { .. } => "ready",
            Self::BackingOff { .. } => "backing-off",
            Self::Draining { .. } => "draining",
            Self::Ending { .. } => "ending",
            Self::Stopped => "stopped",
        }
    }
}

/// What happened to a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A worker is wanted.
    Start,
    /// The worker said READY=1.
    Ready,
    /// The worker has ended, or could not be started.
    Gone,
    /// The time of [`Slot::deadline`] has come.
    Deadline,
    /// The worker is to end, after it has drained.
    Stop,
    /// The worker is to end at once.
    Kill,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    None,
    /// Start a worker.
    Spawn,
    /// Ask the worker to drain and end (SIGTERM).
    Terminate,
    /// End the worker (SIGKILL).
    Kill,
}

/// The limits of a slot's life.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a worker may take until it is ready.
    pub ready: Duration,
    /// How long it may take to drain.
    pub drain: Duration,
    /// The delay before the next start.
    pub backoff: Backoff,
}

/// One slot.
#[derive(Clone, Debug)]
pub struct Slot {
    state: State,
    limits: Limits,
    failures: u32,
    starts: u64,
}

impl Slot {
    /// A slot without a worker.
    pub fn new(limits: Limits) -> Self {
        Self { state: State::Vacant, limits, failures: 0, starts: 0 }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// How often a worker was started here after the first.
    pub fn restarts(&self) -> u64 {
        self.starts.saturating_sub(1)
    }

    /// When [`Event::Deadline`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Starting { until } | State::BackingOff { until } | State::Draining { until } => {
                Some(until)
            }
            _ => None,
        }
    }

    /// Goes on with its life. An event that does not fit the state changes nothing.
    pub fn on(&mut self, event: Event, now: Instant) -> Action {
        match (self.state, event) {
            (State::Vacant, Event::Start) | (State::BackingOff { .. }, Event::Deadline) => {
                self.starts += 1;
                self.state = State::Starting { until: now + self.limits.ready };
                Action::Spawn
            }
            (State::Starting { .. }, Event::Ready) => {
                self.state = State::Ready { since: now };
                Action::None
            }
            (State::Ready { since }, Event::Gone) => {
                if now.duration_since(since) >= self.limits.backoff.most {
                    self.failures = 0;
                }
                self.back_off(now)
            }
            (State::Starting { .. } | State::Ending { again: true }, Event::Gone) => {
                self.back_off(now)
            }
            (State::Starting { .. }, Event::Deadline) => self.kill(true),
            (State::Starting { .. } | State::Ready { .. }, Event::Stop) => {
                self.state = State::Draining { until: now + self.limits.drain };
                Action::Terminate
            }
            (State::Starting { .. } | State::Ready { .. }, Event::Kill)
            | (State::Draining { .. }, Event::Deadline | Event::Kill) => self.kill(false),
            (State::Ending { .. }, Event::Stop | Event::Kill) => {
                self.state = State::Ending { again: false };
                Action::None
            }
            (State::Vacant | State::BackingOff { .. }, Event::Stop | Event::Kill)
            | (State::Draining { .. } | State::Ending { again: false }, Event::Gone) => {
                self.state = State::Stopped;
                Action::None
            }
            _ => Action::None,
        }
    }

    fn back_off(&mut self, now: Instant) -> Action {
        self.failures = self.failures.saturating_add(1);
        self.state = State::BackingOff { until: now + self.limits.backoff.delay(self.failures) };
        Action::None
    }

    fn kill(&mut self, again: bool) -> Action {
        self.state = State::Ending { again };
        Action::Kill
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits {
        ready: Duration::from_secs(30),
        drain: Duration::from_secs(10),
        backoff: Backoff { first: Duration::from_millis(100), most: Duration::from_secs(10) },
    };

    #[test]
    fn a_worker_that_dies_is_started_again_later_each_time() {
        let mut now = Instant::now();
        let mut slot = Slot::new(LIMITS);
        assert_eq!(slot.on(Event::Start, now), Action::Spawn);
        for delay in [100, 200, 400, 800] {
            slot.on(Event::Ready, now);
            slot.on(Event::Gone, now);
            assert_eq!(slot.deadline(), Some(now + Duration::from_millis(delay)));
            now += Duration::from_millis(delay);
            assert_eq!(slot.on(Event::Deadline, now), Action::Spawn);
        }
        assert_eq!(slot.restarts(), 4);
        // Ready for long: the next failure is a first one.
        slot.on(Event::Ready, now);
        now += Duration::from_secs(10);
        slot.on(Event::Gone, now);
        assert_eq!(slot.deadline(), Some(now + Duration::from_millis(100)));
    }

    #[test]
    fn a_worker_that_never_gets_ready_is_killed_and_followed() {
        let now = Instant::now();
        let mut slot = Slot::new(LIMITS);
        slot.on(Event::Start, now);
        assert_eq!(slot.on(Event::Deadline, now), Action::Kill);
        slot.on(Event::Gone, now);
        assert_eq!(slot.on(Event::Deadline, now), Action::Spawn);
    }

    #[test]
    fn a_stop_drains_and_then_kills() {
        let now = Instant::now();
        let mut slot = Slot::new(LIMITS);
        slot.on(Event::Start, now);
        slot.on(Event::Ready, now);
        assert_eq!(slot.on(Event::Stop, now), Action::Terminate);
        assert_eq!(slot.deadline(), Some(now + LIMITS.drain));
        assert_eq!(slot.on(Event::Deadline, now), Action::Kill);
        slot.on(Event::Gone, now);
        assert_eq!(slot.state(), State::Stopped);
    }

    fn any_event() -> impl Strategy<Value = Event> {
        use Event::{Deadline, Gone, Kill, Ready, Start, Stop};
        prop_oneof![Just(Start), Just(Ready), Just(Gone), Just(Deadline), Just(Stop), Just(Kill)]
    }

    proptest! {
        /// Whatever happens in whatever order: never two workers, none after a stop, and no slot
        /// without a worker that nothing would bring one to.
        #[test]
        fn invariants(events in prop::collection::vec((any_event(), 0u64..20_000), 0..200)) {
            let mut now = Instant::now();
            let mut slot = Slot::new(LIMITS);
            let (mut alive, mut stopping) = (false, false);
            for (event, pause) in events {
                now += Duration::from_millis(pause);
                // The world: only a living worker gets ready or goes; a deadline has to be due.
                let due = slot.deadline().is_some_and(|deadline| deadline <= now);
                match event {
                    Event::Ready | Event::Gone if !alive => continue,
                    Event::Deadline if !due => continue,
                    Event::Gone => alive = false,
                    Event::Stop | Event::Kill => stopping = true,
                    _ => {}
                }
                match slot.on(event, now) {
                    Action::Spawn => {
                        prop_assert!(!alive && !stopping);
                        alive = true;
                    }
                    Action::Terminate | Action::Kill => prop_assert!(alive),
                    Action::None => {}
                }
                let with_worker = matches!(
                    slot.state(),
                    State::Starting { .. } | State::Ready { .. } | State::Draining { .. }
                        | State::Ending { .. }
                );
                prop_assert_eq!(with_worker, alive);
                if !alive && !stopping && slot.state() != State::Vacant {
                    prop_assert!(slot.deadline().is_some(), "stuck in {:?}", slot.state());
                }
            }
        }
    }
}
