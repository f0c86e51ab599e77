//! What the log and the metrics say of the connection: of an outage, one line when it begins and one when
//! it is over.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::{info, warn};

use super::losses::Losses;
use super::urls::RedisUrls;
use crate::health::HealthReporter;

/// Tells when the connection is up, and when it is not.
#[derive(Debug)]
pub(super) struct StateReporter {
    urls: RedisUrls,
    health: HealthReporter,
    losses: Arc<Losses>,
    outage: Option<Outage>,
    was_up: bool,
}

#[derive(Debug)]
struct Outage {
    begin: Instant,
    lost_before: u64,
}

impl StateReporter {
    pub(super) fn new(urls: &RedisUrls, health: HealthReporter, losses: Arc<Losses>) -> Self {
        Self { urls: urls.clone(), health, losses, outage: None, was_up: false }
    }

    /// All subscriptions stand.
    pub(super) fn up(&mut self) {
        self.was_up = true;
        let Some(Outage { begin, lost_before }) = self.outage.take() else {
            self.health.up(true);
            return;
        };
        let seconds = begin.elapsed().as_secs_f32();
        let lost = self.losses.total() - lost_before;
        info!(
            "{} is back after {seconds:.1} s; {lost} messages were not sent meanwhile",
            self.name()
        );
        self.health.reconnected();
    }

    /// There is no connection, for this reason.
    pub(super) fn down(&mut self, reason: &str) {
        if self.outage.is_some() {
            return;
        }
        let is = if self.was_up { "is lost" } else { "cannot be reached yet" };
        warn!(
            "{} {is}: {reason}; until it is back, broadcasts reach this worker's clients only",
            self.name()
        );
        self.outage = Some(Outage { begin: Instant::now(), lost_before: self.losses.total() });
        self.health.up(false);
        self.health.peers(0);
    }

    /// So many other workers hear this one.
    pub(super) fn peers(&self, peers: u16) {
        self.health.peers(peers);
    }

    fn name(&self) -> String {
        let kind = if self.urls.is_cluster() { "the Redis Cluster" } else { "Redis" };
        format!("{kind} at {}", self.urls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Health;

    #[test]
    fn each_outage_counts_once() {
        let health = HealthReporter::default();
        let losses = Arc::new(Losses::new(health.clone()));
        let urls = "redis://here".parse().unwrap();
        let mut reporter = StateReporter::new(&urls, health.clone(), losses);
        for (is_up, reconnects) in
            [(true, 0), (true, 0), (false, 0), (false, 0), (true, 1), (true, 1), (false, 1)]
        {
            if is_up {
                reporter.up();
            } else {
                reporter.down("of a test");
            }
            let expected = Health { up: is_up, reconnects, ..Health::default() };
            assert_eq!(*health.watch().borrow(), expected);
        }
    }
}
