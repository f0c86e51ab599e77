//! What the adapter asks for, on one server or on a cluster.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use socketioxide_redis::drivers::{ChanItem, MessageStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

use super::commands::Commands;
use super::connection::{Connection, Failure};
use super::keep::{ConnectionKeeper, ConnectionState, Shared};
use super::losses::Losses;
use super::receive_queue::ReceiveQueues;
use super::state_reporter::StateReporter;
use super::urls::RedisUrls;
use crate::backlog::Backlogs;
use crate::health::{Health, HealthReporter};
use crate::namespaces::Namespaces;

/// How long to wait for the first connection, to a server that was there a moment ago.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// The bus over Redis, or over a Redis Cluster. Clones share the connection, which the last of them
/// closes.
#[derive(Clone, Debug)]
pub(crate) struct RedisBus {
    shared: Arc<Shared>,
    losses: Arc<Losses>,
    health: HealthReporter,
    _keeping: Arc<AbortOnDropHandle<()>>,
}

impl RedisBus {
    /// Connects. A server that does not answer is no error: it is tried on, and until it answers
    /// broadcasts reach this worker's clients, whose `backlogs` these are, only.
    pub(crate) fn connect(urls: &RedisUrls, backlogs: &Backlogs) -> Self {
        let health = HealthReporter::default();
        let losses = Arc::new(Losses::new(health.clone()));
        let shared = Arc::new(Shared {
            urls: urls.clone(),
            receive_queues: Arc::new(ReceiveQueues::new(Arc::clone(&losses), backlogs)),
            state: watch::Sender::new(ConnectionState::Connecting),
            changes: watch::Sender::new(0),
            counted: OnceLock::new(),
        });
        let reporter = StateReporter::new(urls, health.clone(), Arc::clone(&losses));
        let keeping = tokio::spawn(ConnectionKeeper::new(Arc::clone(&shared), reporter).keep());
        Self { shared, losses, health, _keeping: Arc::new(AbortOnDropHandle::new(keeping)) }
    }

    /// Waits for the first connection, for a while.
    pub(crate) async fn settled(&self) {
        let mut health = self.health();
        let _ = timeout(START_TIMEOUT, health.wait_for(|health| health.up)).await;
    }

    /// How it is doing. Its peers are the workers, here and on other hosts, that hear this one.
    pub(crate) fn health(&self) -> watch::Receiver<Health> {
        self.health.watch()
    }

    /// Sends a message, or counts it as lost: there is no error, for it would keep the adapter from
    /// serving this worker's own clients.
    pub(crate) async fn publish(&self, channel: &str, message: &[u8]) {
        let published = match self.connection() {
            Some(connection) => connection.publish(channel, message).await,
            None => Err(Failure::Lost),
        };
        match published {
            Ok(()) => {}
            Err(Failure::Lost) => self.losses.expected(),
            Err(Failure::Late) => self.losses.one("Redis took too long to take it"),
            Err(Failure::Refused(error)) => {
                let code = error.code().unwrap_or_default();
                self.losses.one(&format!("Redis refused it ({code})"));
            }
        }
    }

    /// Listens to a channel. Returns when the subscription stands, or while there is no connection:
    /// then it will stand before there is one again.
    pub(crate) async fn subscribe(&self, channel: &str) -> MessageStream<ChanItem> {
        let _ = self.shared.counted.set(channel.to_owned());
        let messages = self.shared.receive_queues.open(channel);
        let change = self.changed();
        let mut state = self.shared.state.subscribe();
        // Fails only when the sender is dropped, which is in `self`.
        let _ = state
            .wait_for(|state| match state {
                ConnectionState::Connecting => false,
                ConnectionState::Up(_, stands) => *stands >= change,
                ConnectionState::Down => true,
            })
            .await;
        messages
    }

    pub(crate) fn unsubscribe(&self, channel: &str) {
        self.shared.receive_queues.close(channel);
        self.changed();
    }

    /// Tells the task that the channels have changed; the number of that change.
    fn changed(&self) -> u64 {
        let mut number = 0;
        self.shared.changes.send_modify(|changes| {
            *changes += 1;
            number = *changes;
        });
        number
    }

    pub(crate) fn namespaces(&self) -> &Namespaces {
        &self.shared.receive_queues.namespaces
    }

    /// What the names of the channels are to begin with.
    pub(crate) fn prefix(&self) -> &'static str {
        Commands::of(self.shared.urls.is_cluster()).prefix
    }

    /// How many workers listen to `channel`, this one included; while there is no connection, this
    /// one alone, so that nothing waits for the others.
    pub(crate) async fn workers(&self, channel: &str) -> u16 {
        let Some(connection) = self.connection() else { return 1 };
        match connection.count(channel).await {
            Ok(workers) => workers.max(1),
            Err(failure) => {
                debug!("the workers cannot be counted: {failure:?}");
                1
            }
        }
    }

    /// The connection, while there is one.
    fn connection(&self) -> Option<Connection> {
        match &*self.shared.state.borrow() {
            ConnectionState::Up(connection, _) => Some(connection.clone()),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "bus_tests.rs"]
mod tests;
