//! Messages that are lost: all are counted, few are logged.

use tracing::warn;

use crate::health::HealthReporter;
use crate::log_limit::LogLimit;

#[derive(Debug)]
pub(super) struct Losses {
    health: HealthReporter,
    news: LogLimit,
}

impl Losses {
    pub(super) fn new(health: HealthReporter) -> Self {
        Self { health, news: LogLimit::default() }
    }

    /// Counts a message that the log knows of: the connection is lost.
    pub(super) fn expected(&self) {
        self.health.dropped(1);
    }

    /// Counts a message whose loss is news.
    pub(super) fn one(&self, why: &str) {
        self.health.dropped(1);
        if self.news.count().is_some() {
            let total = self.total();
            warn!("a message of the bus is lost: {why}; {total} since this worker began");
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.health.watch().borrow().dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted() {
        let losses = Losses::new(HealthReporter::default());
        losses.one("of a test");
        losses.expected();
        assert_eq!(losses.total(), 2);
    }
}
