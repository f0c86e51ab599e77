//! Lines of the log that others can provoke: one in a while, with a count.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Between two lines of the log about the same event.
const PAUSE: Duration = Duration::from_secs(10);

/// Tells when an event that happens again and again is to be logged.
#[derive(Debug, Default)]
pub(crate) struct LogLimit(Mutex<Events>);

#[derive(Debug, Default)]
struct Events {
    last_logged: Option<Instant>,
    /// How often it has happened since.
    since: u64,
}

impl LogLimit {
    /// The event has happened: how often since the last line, this time included, when it is time for
    /// another line.
    pub(crate) fn count(&self) -> Option<u64> {
        self.count_at(Instant::now())
    }

    fn count_at(&self, now: Instant) -> Option<u64> {
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.since += 1;
        if events.last_logged.is_some_and(|logged| now < logged + PAUSE) {
            return None;
        }
        events.last_logged = Some(now);
        Some(std::mem::take(&mut events.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_few_are_logged() {
        let limit = LogLimit::default();
        let begin = Instant::now();
        assert_eq!(limit.count_at(begin), Some(1));
        assert_eq!(limit.count_at(begin), None);
        assert_eq!(limit.count_at(begin + PAUSE / 2), None);
        assert_eq!(limit.count_at(begin + PAUSE), Some(3));
        assert_eq!(limit.count_at(begin + PAUSE), None);
    }
}
