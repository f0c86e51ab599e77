//! Showing the supervisor that the runtime which serves clients is not stuck.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::debug;

use sticky_contract::notify::Notifier;

/// Begins to show it, at least once in each `limit`. The first sign is given back, to be told with
/// `READY=1`.
pub(super) fn start(notifier: &Notifier, limit: Duration) -> NotifyState<'static> {
    tokio::spawn(show(notifier.clone(), limit / 2));
    NotifyState::Watchdog
}

async fn show(notifier: Notifier, every: Duration) {
    let every = every.max(Duration::from_millis(1));
    let mut moments = interval(every);
    moments.set_missed_tick_behavior(MissedTickBehavior::Delay);
    moments.tick().await;
    loop {
        moments.tick().await;
        // A supervisor that has much to read is waited for, and gets no sign twice.
        match timeout(every, notifier.tell(&[NotifyState::Watchdog])).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!("cannot tell the supervisor that all is well: {error}"),
            Err(_) => debug!("the supervisor does not read that all is well"),
        }
    }
}
