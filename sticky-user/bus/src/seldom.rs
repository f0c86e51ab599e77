//! Lines of the log that others can provoke: one in a while, with a count.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Between two lines of the log about the same thing.
const PAUSE: Duration = Duration::from_secs(10);

/// Tells when something that happens again and again is to be logged.
#[derive(Debug, Default)]
pub(super) struct Seldom(Mutex<Stretch>);

#[derive(Debug, Default)]
struct Stretch {
    /// When it was last logged.
    told: Option<Instant>,
    /// How often it has happened since.
    times: u64,
}

impl Seldom {
    /// It has happened. How often since the last line, this time included, when it is time for
    /// another.
    pub(super) fn again(&self) -> Option<u64> {
        self.again_at(Instant::now())
    }

    fn again_at(&self, now: Instant) -> Option<u64> {
        let mut stretch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stretch.times += 1;
        if stretch.told.is_some_and(|told| now < told + PAUSE) {
            return None;
        }
        stretch.told = Some(now);
        Some(std::mem::take(&mut stretch.times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_few_are_told() {
        let seldom = Seldom::default();
        let begin = Instant::now();
        assert_eq!(seldom.again_at(begin), Some(1));
        assert_eq!(seldom.again_at(begin), None);
        assert_eq!(seldom.again_at(begin + PAUSE / 2), None);
        assert_eq!(seldom.again_at(begin + PAUSE), Some(3));
        assert_eq!(seldom.again_at(begin + PAUSE), None);
    }
}
