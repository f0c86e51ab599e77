//! How long a worker waits for its clients.

use std::time::Duration;

/// As good as for ever, and the clock can still be added to it: 30 years.
const LONGEST: Duration = Duration::from_hours(30 * 365 * 24);

/// How long a client may take for each stage of its connection.
///
/// [`Duration::ZERO`] waits for nothing that is not there already; what is longer than 30 years, such as
/// [`Duration::MAX`], counts as 30 years.
///
/// ```no_run
/// # use std::time::Duration;
/// # use sticky_worker::{Timeouts, Worker};
/// # fn example(worker: Worker) -> Worker {
/// worker.with_timeouts(Timeouts::default().idle(Duration::from_secs(120)))
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// For the head of a request, from its first byte on; for the first one of a connection, from the moment
    /// when it was accepted. Default: 10 s, which is many round trips of any network.
    pub head: Duration,
    /// Between two requests. Default: 75 s: longer than the 60 s for which nginx keeps the connections to
    /// its upstreams by default, or nginx would meet closed ones.
    pub idle: Duration,
    /// For a kilobyte of a request's body, while the handler waits for it. Default: 20 s.
    pub body: Duration,
    /// For the client to take a kilobyte of an answer. Default: 30 s: the kernel tells of room in large
    /// steps, and repeats lost packets ever more seldom.
    pub answer: Duration,
}

impl Timeouts {
    /// With another time for [the head](field@Self::head) of a request.
    #[must_use]
    pub fn head(self, head: Duration) -> Self {
        Self { head, ..self }
    }

    /// With another time [between two requests](field@Self::idle).
    #[must_use]
    pub fn idle(self, idle: Duration) -> Self {
        Self { idle, ..self }
    }

    /// With another time for [the body](field@Self::body) of a request.
    #[must_use]
    pub fn body(self, body: Duration) -> Self {
        Self { body, ..self }
    }

    /// With another time for [an answer](field@Self::answer).
    #[must_use]
    pub fn answer(self, answer: Duration) -> Self {
        Self { answer, ..self }
    }

    /// Times that the clock can be added to.
    pub(crate) fn clamped(self) -> Self {
        let Self { head, idle, body, answer } = self;
        let [head, idle, body, answer] = [head, idle, body, answer].map(|time| time.min(LONGEST));
        Self { head, idle, body, answer }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { head: seconds(10), idle: seconds(75), body: seconds(20), answer: seconds(30) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn the_clock_can_be_added_to_any_time() {
        let max = Duration::MAX;
        let longest = Timeouts::default().head(max).idle(max).body(max).answer(max).clamped();
        for time in [longest.head, longest.idle, longest.body, longest.answer] {
            assert!(Instant::now().checked_add(time).is_some());
        }
        assert_eq!(Timeouts::default().clamped(), Timeouts::default());
    }
}
