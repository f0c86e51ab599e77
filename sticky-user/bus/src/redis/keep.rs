//! The task that keeps a connection up, with all subscriptions, and makes another whenever it is lost.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::Value;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tracing::debug;

use super::commands::Commands;
use super::connection::{Connection, Failure};
use super::receive_queue::ReceiveQueues;
use super::server::Server;
use super::state_reporter::StateReporter;
use super::topology::{Address, Topology};
use super::urls::RedisUrls;
use crate::backoff::Backoff;

/// How often the server is asked how many workers listen, and so whether it lives.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How often a node of a cluster is asked who has the hash slot. A node that hands it to a replica in an
/// orderly way goes on to serve its subscribers, and only counts them no longer.
const TOPOLOGY_CHECK: Duration = Duration::from_secs(10);

/// How the connection stands.
#[derive(Clone, Debug)]
pub(super) enum ConnectionState {
    /// Nothing has come of it yet: it is the first attempt.
    Connecting,
    /// The subscriptions stand, as of that change.
    Up(Connection, u64),
    /// There is none; tried again.
    Down,
}

/// What the task and the bus share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) urls: RedisUrls,
    pub(super) receive_queues: Arc<ReceiveQueues>,
    pub(super) state: watch::Sender<ConnectionState>,
    /// Counts the changes of what is to be subscribed to: the channels that have a receive queue.
    pub(super) changes: watch::Sender<u64>,
    /// The channel that all workers listen to: by its listeners, they are counted for the metrics.
    pub(super) counted: OnceLock<String>,
}

/// The task that keeps the connection up.
pub(super) struct ConnectionKeeper {
    shared: Arc<Shared>,
    reporter: StateReporter,
    /// In a cluster, the nodes that were there the last time.
    nodes: BTreeSet<Address>,
    /// How often the cluster was asked for the owner.
    asked: usize,
}

/// A connection that stands, and in a cluster where to.
struct Open {
    connection: Connection,
    owner: Option<Address>,
    server: Server,
}

impl ConnectionKeeper {
    pub(super) fn new(shared: Arc<Shared>, reporter: StateReporter) -> Self {
        Self { shared, reporter, nodes: BTreeSet::new(), asked: 0 }
    }

    /// Keeps a connection up, for ever.
    pub(super) async fn keep(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let mut lasted = Duration::ZERO;
            let reason = match self.open().await {
                Ok(open) => {
                    let begin = Instant::now();
                    let Err(failure) = self.serve(&open).await;
                    lasted = begin.elapsed();
                    let reason = match failure {
                        Failure::Lost => open.connection.reason(),
                        Failure::Late => "it took too long to subscribe".into(),
                        Failure::Refused(error) => open.server.explain(&error).reason(),
                    };
                    // A caller that still waits for an answer is told so.
                    open.connection.lose(reason.clone());
                    reason
                }
                Err(reason) => reason,
            };
            debug!("no connection to Redis at {}: {reason}", self.shared.urls);
            self.shared.state.send_replace(ConnectionState::Down);
            self.reporter.down(&reason);
            #[expect(clippy::disallowed_methods, reason = "the server is not to be flooded")]
            sleep(backoff.pause_after(lasted)).await;
        }
    }

    async fn open(&mut self) -> Result<Open, String> {
        let is_cluster = self.shared.urls.is_cluster();
        let owner = if is_cluster { Some(self.owner().await?) } else { None };
        let first = self.shared.urls.first();
        let server = match &owner {
            Some((host, port)) => first.at(host, *port),
            None => first.clone(),
        };
        let queues = Arc::clone(&self.shared.receive_queues);
        match Connection::open(&server, Commands::of(is_cluster), queues).await {
            Ok(connection) => Ok(Open { connection, owner, server }),
            Err(error) if is_cluster => Err(format!("{server}: {}", error.reason())),
            Err(error) => Err(error.reason()),
        }
    }

    /// The node that has the hash slot, as one node of the cluster says: of the nodes of the URLs, and those
    /// that were there the last time. Each attempt begins with another one, for one may say what is no longer so.
    async fn owner(&mut self) -> Result<Address, String> {
        let first = self.shared.urls.first();
        let known = self.nodes.iter().map(|(host, port)| first.at(host, *port));
        let mut nodes: Vec<Server> = self.shared.urls.servers().cloned().chain(known).collect();
        // The URLs name one at least.
        let begin = self.asked % nodes.len().max(1);
        nodes.rotate_left(begin);
        self.asked += 1;
        let mut problem = String::new();
        for node in &nodes {
            match Topology::ask(node).await {
                Ok(Topology { owner: Some(owner), nodes }) => {
                    self.nodes = nodes;
                    return Ok(owner);
                }
                Ok(_) => problem = "its hash slot for the bus is on no node".into(),
                Err(reason) => problem = format!("{node}: {reason}"),
            }
        }
        Err(problem)
    }

    /// Serves as long as the connection lives.
    async fn serve(&mut self, open: &Open) -> Result<Infallible, Failure> {
        let Open { connection, owner, server } = open;
        let mut changes = self.shared.changes.subscribe();
        let mut heartbeat = ticks(HEARTBEAT);
        let mut topology_check = ticks(TOPOLOGY_CHECK);
        let mut have = BTreeSet::new();
        loop {
            let change = *changes.borrow_and_update();
            let want = self.shared.receive_queues.channels();
            subscribe(connection, &have, &want).await?;
            have = want;
            self.shared.state.send_replace(ConnectionState::Up(connection.clone(), change));
            self.reporter.up();
            loop {
                tokio::select! {
                    () = connection.lost() => return Err(Failure::Lost),
                    // Fails only when the sender is dropped, which is in `self`.
                    _ = changes.changed() => break,
                    _ = heartbeat.tick() => self.beat(connection).await?,
                    _ = topology_check.tick(), if owner.is_some() => {
                        check_owner(connection, server, owner.as_ref()).await?;
                    }
                }
            }
        }
    }

    /// Counts the workers. The server lives if it says anything.
    async fn beat(&self, connection: &Connection) -> Result<(), Failure> {
        let answered = match self.shared.counted.get() {
            Some(channel) => {
                let count = connection.count(channel).await;
                count.map(|workers| self.reporter.peers(workers.saturating_sub(1)))
            }
            None => connection.ping().await,
        };
        only_lost(answered)
    }
}

/// After a tick that came late, the next one follows a whole period later.
fn ticks(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn check_owner(
    connection: &Connection,
    server: &Server,
    owner: Option<&Address>,
) -> Result<(), Failure> {
    let answer = connection.ask::<Value>(&Topology::question()).await;
    if let Ok(answer) = &answer
        && let Some(topology) = Topology::read(answer, server.host())
        && topology.owner.as_ref() != owner
    {
        connection.lose("the bus's hash slot is on another node");
    }
    only_lost(answer.map(drop))
}

/// A server that says no, or is late, lives: that is all there is to know.
fn only_lost(answered: Result<(), Failure>) -> Result<(), Failure> {
    match answered {
        Err(Failure::Lost) => Err(Failure::Lost),
        Err(failure) => {
            debug!("Redis answers, but not as expected: {failure:?}");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

async fn subscribe(
    connection: &Connection,
    have: &BTreeSet<String>,
    want: &BTreeSet<String>,
) -> Result<(), Failure> {
    let without = |all: &BTreeSet<String>, some| all.difference(some).cloned().collect();
    let leave: Vec<String> = without(have, want);
    match connection.unsubscribe(&leave).await {
        // In a cluster, the server has done so itself when the hash slot moved away.
        Err(Failure::Refused(error)) => debug!("not unsubscribed: {error}"),
        result => result?,
    }
    let join: Vec<String> = without(want, have);
    connection.subscribe(&join).await
}
