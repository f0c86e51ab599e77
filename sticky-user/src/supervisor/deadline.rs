//! Waiting for a moment that may never come.

use std::future;

use tokio::time::{Instant, sleep_until};

/// Resolves at `deadline`; never, where there is none.
pub(super) async fn at(deadline: Option<impl Into<Instant>>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => future::pending().await,
    }
}
