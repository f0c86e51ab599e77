//! How the bus is doing.

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// How the bus of one worker is doing; the numbers count from the worker's start.
///
/// ```
/// use sticky_bus::Bus;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut health = Bus::alone().health();
/// let now = *health.borrow_and_update();
/// println!("{} other workers, {} messages lost", now.peers, now.dropped);
/// // Fails when there is no bus any more.
/// assert!(health.changed().await.is_err());
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Whether messages come and go. While they do not, a broadcast reaches this worker's clients.
    pub up: bool,
    /// The other workers that hear this one.
    pub peers: u16,
    /// How often the bus was lost and came back.
    pub reconnects: u64,
    /// Messages that were lost: not sent, or received faster than they could be handled.
    pub dropped: u64,
    /// Clients that were disconnected because they did not read what was sent to them.
    #[serde(default)]
    pub disconnected: u64,
}

/// Where a bus says how it is doing. Clones say it of the same bus.
#[derive(Clone, Debug, Default)]
pub(super) struct HealthReporter(watch::Sender<Health>);

impl HealthReporter {
    /// What is said, now and from now on.
    pub(super) fn watch(&self) -> watch::Receiver<Health> {
        self.0.subscribe()
    }

    /// The bus is up, or it is not.
    pub(super) fn up(&self, up: bool) {
        self.change(|health| health.up = up);
    }

    /// The bus came back.
    pub(super) fn reconnected(&self) {
        self.change(|health| {
            health.up = true;
            health.reconnects += 1;
        });
    }

    /// So many other workers hear this one.
    pub(super) fn peers(&self, peers: u16) {
        self.change(|health| health.peers = peers);
    }

    /// So many messages more were lost.
    pub(super) fn dropped(&self, messages: u64) {
        self.change(|health| health.dropped += messages);
    }

    fn change(&self, change: impl FnOnce(&mut Health)) {
        self.0.send_if_modified(|health| {
            let before = *health;
            change(health);
            *health != before
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watchers_wake_for_changes_only() {
        let reporter = HealthReporter::default();
        let mut health = reporter.watch();
        assert_eq!(*health.borrow_and_update(), Health::default());
        reporter.up(false);
        reporter.dropped(0);
        assert!(!health.has_changed().unwrap());
        reporter.up(true);
        reporter.peers(3);
        reporter.clone().dropped(2);
        reporter.up(false);
        reporter.reconnected();
        let expected = Health { up: true, peers: 3, reconnects: 1, dropped: 2, disconnected: 0 };
        assert_eq!(*health.borrow_and_update(), expected);
    }
}
