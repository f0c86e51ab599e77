//! New workers on probation: each has to stay, and to take connections, while others are replaced.

use std::time::{Duration, Instant};

use sticky_contract::SlotId;

use super::super::slot::WorkerId;

/// Between two looks at what waits.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// How long connections may wait of which none is taken.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// A worker that was started by a reload, and has said READY=1.
#[derive(Debug)]
pub(super) struct Probation {
    pub(super) slot: SlotId,
    pub(super) id: WorkerId,
    /// Since when the worker is alone: before, its predecessor takes what waits as well.
    alone: Option<Instant>,
    /// How many connections waited at the last look.
    waiting: u32,
    /// Since when the worker has taken none of the connections that wait.
    stuck: Option<Instant>,
    takes: bool,
}

impl Probation {
    pub(super) fn new(slot: SlotId, id: WorkerId) -> Self {
        Self { slot, id, alone: None, waiting: 0, stuck: None, takes: false }
    }

    /// Its predecessor has gone.
    pub(super) fn begins(&mut self, now: Instant) {
        self.alone.get_or_insert(now);
    }

    pub(super) fn has_begun(&self) -> bool {
        self.alone.is_some()
    }

    /// So many connections wait for it.
    pub(super) fn look(&mut self, waiting: u32, now: Instant) {
        if !self.has_begun() {
            return;
        }
        self.stuck = match waiting {
            0 => None,
            fewer if fewer < self.waiting => Some(now),
            _ => self.stuck.or(Some(now)),
        };
        self.takes |= waiting < self.waiting;
        self.waiting = waiting;
    }

    /// Whether nothing is known against it after `window`.
    pub(super) fn is_passed(&self, window: Duration, now: Instant) -> bool {
        let over = self.alone.is_some_and(|alone| now.duration_since(alone) >= window);
        over && (self.takes || self.stuck.is_none())
    }

    /// How many connections wait, if it takes none.
    pub(super) fn is_failed(&self, now: Instant) -> Option<u32> {
        let stuck = self.stuck.is_some_and(|since| now.duration_since(since) >= PATIENCE);
        stuck.then_some(self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(1);

    /// What `waiting` connections at one look after the other make of it, at the last.
    fn after(waiting: impl IntoIterator<Item = u32>) -> (bool, Option<u32>) {
        let mut now = Instant::now();
        let mut probation = Probation::new(SlotId::FIRST, 1);
        probation.look(7, now);
        assert!(!probation.is_passed(Duration::ZERO, now), "it is not alone yet");
        probation.begins(now);
        for waiting in waiting {
            probation.look(waiting, now);
            now += LOOK;
        }
        (probation.is_passed(WINDOW, now), probation.is_failed(now))
    }

    #[test]
    fn stays_and_takes() {
        assert_eq!(after([0; 19]), (false, None), "too early to tell");
        assert_eq!(after([0; 20]), (true, None), "nobody came");
        assert_eq!(after([0, 3, 1, 0].repeat(5)), (true, None));
        // More come than it takes.
        assert_eq!(after([5, 9, 8].repeat(40)), (true, None));
    }

    #[test]
    fn takes_nothing() {
        let first_at_the_end = [0; 19].into_iter().chain([1]);
        assert_eq!(after(first_at_the_end.clone()), (false, None), "one waits: not passed yet");
        assert_eq!(after(first_at_the_end.chain([1; 99])), (false, Some(1)));
        assert_eq!(after(1..=100), (false, Some(100)));
        assert_eq!(after([4096; 100]), (false, Some(4096)), "a full queue");
        assert_eq!(after([2, 1].into_iter().chain([1; 101])), (true, Some(1)), "not any more");
    }
}
