//! How long to wait before the next attempt to connect.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The first wait is between this and its double.
const FIRST: Duration = Duration::from_millis(100);

/// The longest waits are between this and its double.
const MOST: Duration = Duration::from_millis(2500);

/// Waits that grow with each failure in a row. Each is drawn by lot: workers that lost the same
/// server do not come back in the same moment.
#[derive(Debug)]
pub(super) struct Backoff {
    step: Duration,
}

impl Backoff {
    /// A connection that lasted for as long counts as well again.
    pub(super) const WELL: Duration = Duration::from_secs(5);

    pub(super) const fn new() -> Self {
        Self { step: FIRST }
    }

    pub(super) fn next(&mut self) -> Duration {
        let wait = self.step + drawn(self.step, lot());
        self.step = (self.step * 2).min(MOST);
        wait
    }
}

/// From nothing up to `most`.
fn drawn(most: Duration, lot: u16) -> Duration {
    most * u32::from(lot) / u32::from(u16::MAX)
}

/// Anything but the same in every process.
fn lot() -> u16 {
    u16::try_from(RandomState::new().hash_one(()) >> 48).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn waits_grow_up_to_a_limit() {
        let mut backoff = Backoff::new();
        for step in [100, 200, 400, 800, 1600, 2500, 2500] {
            let step = Duration::from_millis(step);
            let wait = backoff.next();
            assert!(wait >= step && wait <= step * 2, "{wait:?} for {step:?}");
        }
    }

    #[test]
    fn lots_are_spread_over_the_whole() {
        let second = Duration::from_secs(1);
        assert_eq!(drawn(second, 0), Duration::ZERO);
        assert_eq!(drawn(second, u16::MAX / 3), second / 3);
        assert_eq!(drawn(second, u16::MAX), second);
        let lots: HashSet<u16> = (0..100).map(|_| lot()).collect();
        assert!(lots.len() > 50, "{lots:?}");
    }
}
