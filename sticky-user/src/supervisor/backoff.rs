//! How long to wait before a worker is started again.

use std::time::Duration;

/// Doubles the delay with every failure in a row, up to a limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    /// The delay after one failure.
    pub first: Duration,
    /// No delay is longer.
    pub most: Duration,
    /// A worker that was ready for as long had not failed: when it dies, that counts as the first
    /// failure, not as one more in a row.
    pub window: Duration,
}

impl Backoff {
    /// The delay after `failures` in a row, none after none.
    pub(crate) fn delay(&self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else {
            return Duration::ZERO;
        };
        let factor = 2_u32.saturating_pow(doublings);
        self.first.saturating_mul(factor).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_limit() {
        let backoff = Backoff {
            first: Duration::from_millis(100),
            most: Duration::from_secs(10),
            window: Duration::from_secs(1),
        };
        let delays = [0, 1, 2, 4, 40, u32::MAX].map(|failures| backoff.delay(failures));
        assert_eq!(delays.map(|delay| delay.as_millis()), [0, 100, 200, 800, 10_000, 10_000]);
    }
}
