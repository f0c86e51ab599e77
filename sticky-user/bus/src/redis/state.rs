//! How the connection stands, and what the log says of it: one line when it is lost, one when it
//! is back.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::{info, warn};

use super::RedisUrls;
use super::losses::Losses;
use crate::health::HealthReporter;

/// How the connection stands, to all nodes if it is a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Being made; nothing has gone wrong.
    Connecting,
    /// All subscriptions stand.
    Up,
    /// Not all do, for that reason.
    Down(String),
}

/// Tells the log and the metrics when that changes.
#[derive(Debug)]
pub(super) struct Teller {
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

impl Teller {
    pub(super) fn new(urls: &RedisUrls, health: HealthReporter, losses: Arc<Losses>) -> Self {
        Self { urls: urls.clone(), health, losses, outage: None, was_up: false }
    }

    pub(super) fn tell(&mut self, state: State) {
        match state {
            State::Connecting => {}
            State::Up => self.up(),
            State::Down(reason) => self.down(&reason),
        }
    }

    fn up(&mut self) {
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

    fn down(&mut self, reason: &str) {
        if self.outage.is_some() {
            return;
        }
        let part = if self.urls.is_cluster() { "a part of " } else { "" };
        let is = if self.was_up { "is lost" } else { "cannot be reached yet" };
        warn!(
            "{part}{} {is}: {reason}; until it is back, broadcasts over it reach this worker's \
             clients only",
            self.name()
        );
        self.outage = Some(Outage { begin: Instant::now(), lost_before: self.losses.total() });
        self.health.up(false);
        self.health.peers(0);
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
        let mut teller = Teller::new(&"redis://here".parse().unwrap(), health.clone(), losses);
        let now = || *health.watch().borrow();
        for (state, up, reconnects) in [
            (State::Connecting, false, 0),
            (State::Up, true, 0),
            (State::Up, true, 0),
            (State::Down("a".into()), false, 0),
            (State::Down("b".into()), false, 0),
            (State::Connecting, false, 0),
            (State::Up, true, 1),
            (State::Connecting, true, 1),
            (State::Up, true, 1),
        ] {
            teller.tell(state);
            assert_eq!(now(), Health { up, peers: 0, reconnects, dropped: 0, disconnected: 0 });
        }
    }
}
