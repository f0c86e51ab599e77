//! What the adapter asks for, on one server or on a cluster.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::{ErrorKind, ServerErrorKind};
use socketioxide_redis::drivers::{ChanItem, MessageStream};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

use super::RedisUrls;
use super::cluster::Cluster;
use super::connection::Failure;
use super::losses::Losses;
use super::node::{Node, Standing};
use super::receive_queue::ReceiveQueues;
use super::state::{State, Teller};
use super::verbs::Verbs;
use crate::health::{Health, HealthReporter};
use crate::namespaces::Namespaces;

/// How often to look after it when nothing happens.
const ROUND: Duration = Duration::from_secs(1);

/// How long to wait for the first connection, to a server that was there a moment ago.
const START: Duration = Duration::from_secs(5);

/// Another node of the cluster carries that channel.
const MOVED: ErrorKind = ErrorKind::Server(ServerErrorKind::Moved);

/// The bus over Redis, or over a Redis Cluster. Clones share the connection, which the last of them
/// closes.
///
/// # When Redis goes away
///
/// A connection that is lost is made again, with all subscriptions, as soon as the server answers
/// again. Until then nothing waits for it: what is published is counted as lost, and this worker
/// counts as the only one, so that broadcasts go on among its own clients. In a cluster that
/// concerns the channels of the nodes that are lost, and no others. Delivery is at most once, and
/// in order from each worker to each other.
///
/// A server counts as gone when it does not say anything for 2 s while it is asked; it is asked
/// once a second at least. Attempts to connect begin 100 to 200 ms after the loss, and are 5 s
/// apart at most. A publication that is still not taken after 5 s, for Redis is busy, is lost.
///
/// Redis itself drops the connection of a worker for which more than 32 MB wait, or 8 MB for a
/// minute (`client-output-buffer-limit pubsub`): raise that where many large messages are sent.
///
/// # Who is waited for
///
/// Redis counts the connections that it knows of. A worker that ends, however it ends, is counted
/// no longer at once, for its kernel closes the connection. A *host* that goes without a word (power,
/// network) is counted until Redis finds its connections dead. With usual settings that takes
/// minutes: 10 while nothing is sent to it (`tcp-keepalive 300`), up to 15 while something is (the
/// kernel's `net.ipv4.tcp_retries2` on the host of Redis, or the limit above if that is reached
/// before). `tcp-keepalive 10` makes the former 20 seconds, `tcp_retries2=8` the latter 100.
///
/// Meanwhile each request that wants an answer from everybody (`fetch_sockets`, `rooms`, acks of a
/// broadcast) waits for [`REQUEST_TIMEOUT`](crate::REQUEST_TIMEOUT), and goes on with the
/// answers that came. Broadcasts without acks wait for nobody.
#[derive(Clone, Debug)]
pub struct RedisBus {
    shared: Arc<Shared>,
    _tending: Arc<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    servers: Servers,
    receive_queues: Arc<ReceiveQueues>,
    losses: Arc<Losses>,
    health: HealthReporter,
    /// Somebody's connection is up or down.
    changed: Arc<Notify>,
    /// The channel whose subscribers are counted for the metrics.
    counted: OnceLock<String>,
}

#[derive(Debug)]
enum Servers {
    One(Node),
    Cluster(Cluster),
}

impl RedisBus {
    /// Connects. A server that does not answer is no error: it is tried on, and until it answers
    /// broadcasts reach this worker's clients only.
    pub(crate) fn connect(urls: &RedisUrls) -> Self {
        let health = HealthReporter::default();
        let losses = Arc::new(Losses::new(health.clone()));
        let receive_queues = Arc::new(ReceiveQueues::new(Arc::clone(&losses)));
        let changed = Arc::new(Notify::new());
        let servers = if urls.is_cluster() {
            let (receive_queues, changed) = (Arc::clone(&receive_queues), Arc::clone(&changed));
            Servers::Cluster(Cluster::new(urls.clone(), receive_queues, changed))
        } else {
            let server = urls.first().clone();
            let changed = Arc::clone(&changed);
            Servers::One(Node::start(server, Verbs::PLAIN, Arc::clone(&receive_queues), changed))
        };
        let teller = Teller::new(urls, health.clone(), Arc::clone(&losses));
        let counted = OnceLock::new();
        let shared = Arc::new(Shared { servers, receive_queues, losses, health, changed, counted });
        let tending = tokio::spawn(Arc::clone(&shared).tend(teller));
        Self { shared, _tending: Arc::new(AbortOnDropHandle::new(tending)) }
    }

    /// Waits for the first connection, for a while.
    pub(crate) async fn settled(&self) {
        let mut health = self.health();
        let _ = timeout(START, health.wait_for(|health| health.up)).await;
    }

    /// How it is doing. Its peers are the workers, here and on other hosts, that hear this one.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.shared.health.watch()
    }

    /// Sends a message, or counts it as lost: there is no error, for it would keep the adapter from
    /// serving this worker's own clients.
    pub(crate) async fn publish(&self, channel: &str, message: &[u8]) {
        match self.shared.publish(channel, message).await {
            Ok(()) => {}
            Err(Failure::Lost) => self.shared.losses.expected(),
            Err(Failure::Late) => self.shared.losses.one("Redis took too long to take it"),
            Err(Failure::Refused(error)) => {
                let code = error.code().unwrap_or_default();
                self.shared.losses.one(&format!("Redis refused it ({code})"));
            }
        }
    }

    /// Listens to a channel. Returns when the subscription stands, or while there is no connection:
    /// then it will stand before there is one again.
    pub(crate) async fn subscribe(&self, channel: &str) -> MessageStream<ChanItem> {
        let _ = self.shared.counted.set(channel.to_owned());
        let messages = self.shared.receive_queues.open(channel);
        match &self.shared.servers {
            Servers::One(node) => node.subscribe(channel).await,
            Servers::Cluster(cluster) => cluster.subscribe(channel).await,
        }
        messages
    }

    pub(crate) fn unsubscribe(&self, channel: &str) {
        self.shared.receive_queues.close(channel);
        match &self.shared.servers {
            Servers::One(node) => node.unsubscribe(channel),
            Servers::Cluster(cluster) => cluster.unsubscribe(channel),
        }
    }

    pub(crate) fn namespaces(&self) -> &Namespaces {
        &self.shared.receive_queues.namespaces
    }

    /// How many workers listen to `channel`, this one included; while there is no connection, this
    /// one alone, so that nothing waits for the others.
    pub(crate) async fn workers(&self, channel: &str) -> u16 {
        self.shared.count(channel).await.unwrap_or(1).max(1)
    }
}

impl Shared {
    async fn publish(&self, channel: &str, message: &[u8]) -> Result<(), Failure> {
        let cluster = match &self.servers {
            Servers::One(node) => {
                return node.link().ok_or(Failure::Lost)?.publish(channel, message).await;
            }
            Servers::Cluster(cluster) => cluster,
        };
        let (node, version) = cluster.node_of(channel);
        let link = node.and_then(|node| node.link()).ok_or(Failure::Lost)?;
        match link.publish(channel, message).await {
            Err(Failure::Refused(error)) if error.kind() == MOVED => {}
            result => return result,
        }
        cluster.draw(version).await;
        let (node, _) = cluster.node_of(channel);
        let link = node.and_then(|node| node.link()).ok_or(Failure::Lost)?;
        link.publish(channel, message).await
    }

    async fn count(&self, channel: &str) -> Option<u16> {
        let link = match &self.servers {
            Servers::One(node) => node.link(),
            Servers::Cluster(cluster) => cluster.node_of(channel).0.and_then(|node| node.link()),
        };
        match link?.count(channel).await {
            Ok(count) => Some(count),
            Err(failure) => {
                debug!("the workers cannot be counted: {failure:?}");
                None
            }
        }
    }

    /// Looks after the connection as long as the bus lives.
    async fn tend(self: Arc<Self>, mut teller: Teller) {
        loop {
            let state = match &self.servers {
                Servers::One(node) => match node.standing() {
                    Standing::Connecting => State::Connecting,
                    Standing::Up(..) => State::Up,
                    Standing::Down(reason) => State::Down(reason),
                },
                Servers::Cluster(cluster) => cluster.tend().await,
            };
            let up = state == State::Up;
            teller.tell(state);
            if up && let Some(channel) = self.counted.get() {
                let workers = self.count(channel).await.unwrap_or(1);
                self.health.peers(workers.saturating_sub(1));
            }
            let _ = timeout(ROUND, self.changed.notified()).await;
        }
    }
}

#[cfg(test)]
#[path = "bus_tests.rs"]
mod tests;
