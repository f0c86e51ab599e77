//! The limits of a slot's life.

use std::time::Duration;

use super::super::backoff::Backoff;

/// The limits of a slot's life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How long a worker may take until it is ready.
    pub ready: Duration,
    /// How long it may take to drain.
    pub drain: Duration,
    /// How long it may say nothing once it has said WATCHDOG=1; `None`: for ever.
    pub watchdog: Option<Duration>,
    /// How long the slot may be without a worker until others serve its clients; `None`: for ever.
    pub failover: Option<Duration>,
    /// The delay before the next start.
    pub backoff: Backoff,
}
