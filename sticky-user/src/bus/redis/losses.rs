//! Messages that are lost: all are counted, few are logged.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use crate::bus::health::HealthReporter;

/// Between two lines of the log.
const PAUSE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Losses {
    health: HealthReporter,
    /// When it was last logged.
    told: Mutex<Option<Instant>>,
}

impl Losses {
    pub(super) fn new(health: HealthReporter) -> Self {
        Self { health, told: Mutex::default() }
    }

    /// One that the log knows of: the connection is lost.
    pub(super) fn expected(&self) {
        self.health.dropped(1);
    }

    /// One that is news.
    pub(super) fn one(&self, why: &str) {
        self.health.dropped(1);
        if self.is_time(Instant::now()) {
            let total = self.total();
            warn!("a message of the bus is lost: {why}; {total} since this worker began");
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.health.watch().borrow().dropped
    }

    fn is_time(&self, now: Instant) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = told.is_none_or(|told| now >= told + PAUSE);
        if is_time {
            *told = Some(now);
        }
        is_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_few_are_told() {
        let losses = Losses::new(HealthReporter::default());
        let begin = Instant::now();
        assert!(losses.is_time(begin));
        assert!(!losses.is_time(begin + PAUSE / 2));
        assert!(losses.is_time(begin + PAUSE));
        losses.one("of a test");
        losses.expected();
        assert_eq!(losses.total(), 2);
    }
}
