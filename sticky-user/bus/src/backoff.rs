//! How long to wait before a connection is made again, of the mesh and to Redis.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// A connection that lasted for as long was a good one: it is made again at once.
const STABLE: Duration = Duration::from_secs(1);

/// The first pause is between this and its double.
const FIRST: Duration = Duration::from_millis(100);

/// The longest pauses are between this and its double.
const LONGEST: Duration = Duration::from_millis(2500);

/// Pauses that double with each connection that did not last, up to a limit. Each is drawn by lot:
/// workers that lost the same server do not come back in the same moment.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    step: Duration,
}

impl Backoff {
    /// The pause after a connection that lasted for so long; a connection that was not made lasted for no time.
    pub(crate) fn pause_after(&mut self, lasted: Duration) -> Duration {
        if lasted >= STABLE {
            self.step = Duration::ZERO;
        }
        let pause = self.step + share(self.step, lot());
        self.step = (self.step * 2).clamp(FIRST, LONGEST);
        pause
    }
}

/// From nothing up to `most`.
fn share(most: Duration, lot: u16) -> Duration {
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
    fn pauses_grow_up_to_a_limit_and_begin_anew_after_a_good_connection() {
        let mut backoff = Backoff::default();
        for _ in 0..2 {
            for step in [0, 100, 200, 400, 800, 1600, 2500, 2500] {
                let step = Duration::from_millis(step);
                let lasted = if step.is_zero() { STABLE } else { STABLE / 2 };
                let pause = backoff.pause_after(lasted);
                assert!(pause >= step && pause <= step * 2, "{pause:?} for {step:?}");
            }
        }
        assert_eq!(Backoff::default().pause_after(Duration::ZERO), Duration::ZERO, "at once");
    }

    #[test]
    fn lots_are_spread_over_the_whole() {
        let second = Duration::from_secs(1);
        assert_eq!(share(second, 0), Duration::ZERO);
        assert_eq!(share(second, u16::MAX / 3), second / 3);
        assert_eq!(share(second, u16::MAX), second);
        let lots: HashSet<u16> = (0..100).map(|_| lot()).collect();
        assert!(lots.len() > 50, "{lots:?}");
    }
}
