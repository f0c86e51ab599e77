//! The life of one worker.

use std::time::{Duration, Instant};

use super::{Action, Why, WorkerId};

#[derive(Clone, Debug)]
pub(super) struct WorkerState {
    pub(super) id: WorkerId,
    pub(super) life: Life,
}

#[derive(Clone, Debug)]
pub(super) enum Life {
    /// It runs and has not said READY=1, for which it has time until then.
    Starting { until: Instant },
    /// It serves; when it last said WATCHDOG=1, if it does.
    Ready { since: Instant, heard: Option<Instant> },
    /// It was told to end, for which it has time until then.
    Draining { until: Instant },
    /// It was killed and has not ended yet.
    Ending,
}

impl Life {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Starting { .. } => "starting",
            Self::Ready { .. } => "ready",
            Self::Draining { .. } => "draining",
            Self::Ending => "ending",
        }
    }
}

impl WorkerState {
    pub(super) fn starting(id: WorkerId, until: Instant) -> Self {
        Self { id, life: Life::Starting { until } }
    }

    pub(super) fn ready(self, now: Instant) -> Self {
        Self { life: Life::Ready { since: now, heard: None }, ..self }
    }

    pub(super) fn is_starting(&self) -> bool {
        matches!(self.life, Life::Starting { .. })
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready_since().is_some()
    }

    pub(super) fn drains(&self) -> bool {
        matches!(self.life, Life::Draining { .. })
    }

    pub(super) fn is_watched(&self) -> bool {
        matches!(self.life, Life::Ready { heard: Some(_), .. })
    }

    pub(super) fn ready_since(&self) -> Option<Instant> {
        match self.life {
            Life::Ready { since, .. } => Some(since),
            _ => None,
        }
    }

    pub(super) fn has_been_ready_for(&self, time: Duration, now: Instant) -> bool {
        self.ready_since().is_some_and(|since| now.duration_since(since) >= time)
    }

    /// It said WATCHDOG=1.
    pub(super) fn heard(&mut self, now: Instant) {
        if let Life::Ready { heard, .. } = &mut self.life {
            *heard = Some(now);
        }
    }

    pub(super) fn deadline(&self, watchdog: Option<Duration>) -> Option<Instant> {
        match self.life {
            Life::Starting { until } | Life::Draining { until } => Some(until),
            Life::Ready { heard, .. } => Some(heard? + watchdog?),
            Life::Ending => None,
        }
    }

    /// Its deadline has come, or not.
    pub(super) fn due(&mut self, watchdog: Option<Duration>, now: Instant) -> Option<Action> {
        let at = self.deadline(watchdog).filter(|&at| at <= now)?;
        if let (Life::Ready { heard, .. }, Some(watchdog)) = (&mut self.life, watchdog)
            && now.duration_since(at) > watchdog / 2
        {
            // The supervisor looks late: the worker may have been kept from running as well.
            *heard = Some(now);
            return None;
        }
        self.kill(match self.life {
            Life::Starting { .. } => Why::NotReady,
            Life::Ready { .. } => Why::Hung,
            Life::Draining { .. } | Life::Ending => Why::NotDrained,
        })
    }

    /// Told to end, unless it was before.
    pub(super) fn terminate(&mut self, until: Instant) -> Option<Action> {
        match self.life {
            Life::Starting { .. } | Life::Ready { .. } => {
                self.life = Life::Draining { until };
                Some(Action::Terminate(self.id))
            }
            Life::Draining { .. } | Life::Ending => None,
        }
    }

    pub(super) fn kill(&mut self, why: Why) -> Option<Action> {
        if matches!(self.life, Life::Ending) {
            return None;
        }
        self.life = Life::Ending;
        Some(Action::Kill(self.id, why))
    }
}
