//! Showing the supervisor that the runtime which serves clients is not stuck.

use std::io;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;

use crate::notify;

/// Begins to show it, where the supervisor asks for it (`WATCHDOG_USEC`). The first sign is given
/// back, to be told with `READY=1`.
pub(super) fn start() -> Option<NotifyState<'static>> {
    let limit = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero())?;
    tokio::spawn(show(limit / 2));
    Some(NotifyState::Watchdog)
}

async fn show(every: Duration) {
    let mut moments = interval(every.max(Duration::from_millis(1)));
    moments.set_missed_tick_behavior(MissedTickBehavior::Delay);
    moments.tick().await;
    loop {
        moments.tick().await;
        match notify::tell(&[NotifyState::Watchdog]) {
            // Whoever has too much to read will not miss a sign.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                debug!("cannot tell the supervisor that all is well: {error}");
            }
            _ => {}
        }
    }
}
