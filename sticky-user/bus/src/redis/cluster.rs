//! A Redis Cluster: a node for each part of the channels, and which has which.
//!
//! The client library has a connection of its own to a cluster. It is not used: one node that does
//! not answer stops what goes to the others, and it takes being unsubscribed by a node, whose part
//! has moved, for the answer to something else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{AsyncConnectionConfig, Cmd, ProtocolVersion, Value, cmd};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::debug;

use super::RedisUrls;
use super::node::{Node, Standing};
use super::receive_queue::ReceiveQueues;
use super::server::Server;
use super::slots::{Address, Slots};
use super::state::State;
use super::verbs::Verbs;

/// How old a map may get while nothing is wrong with it. A node that hands its part to a replica in
/// an orderly way goes on to serve those who listen, and only counts them no longer.
const STALE: Duration = Duration::from_secs(10);

/// The cluster as it is known at present.
#[derive(Debug)]
pub(super) struct Cluster {
    urls: RedisUrls,
    receive_queues: Arc<ReceiveQueues>,
    changed: Arc<Notify>,
    map: Mutex<Map>,
    /// Held by whoever asks for a new map.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Map {
    slots: Slots,
    nodes: BTreeMap<Address, Arc<Node>>,
    channels: BTreeSet<String>,
    /// How often it was drawn, and when for the last time.
    version: u64,
    drawn: Option<Instant>,
    /// Why it could not be drawn, the last time.
    problem: Option<String>,
}

impl Cluster {
    pub(super) fn new(
        urls: RedisUrls,
        receive_queues: Arc<ReceiveQueues>,
        changed: Arc<Notify>,
    ) -> Self {
        let (map, asking) = Default::default();
        Self { urls, receive_queues, changed, map, asking }
    }

    /// The node that carries a channel, and the version of the map that says so.
    pub(super) fn node_of(&self, channel: &str) -> (Option<Arc<Node>>, u64) {
        let map = self.map();
        let owner = map.slots.owner(channel).and_then(|owner| map.nodes.get(owner));
        (owner.cloned(), map.version)
    }

    pub(super) async fn subscribe(&self, channel: &str) {
        self.map().channels.insert(channel.to_owned());
        let (node, _) = self.node_of(channel);
        if let Some(node) = node {
            node.subscribe(channel).await;
        }
    }

    pub(super) fn unsubscribe(&self, channel: &str) {
        self.map().channels.remove(channel);
        if let (Some(node), _) = self.node_of(channel) {
            node.unsubscribe(channel);
        }
    }

    /// Draws a new map if the present one is old, or if not all is well. Tells how all of it stands.
    pub(super) async fn tend(&self) -> State {
        let (version, fresh) = {
            let map = self.map();
            (map.version, map.drawn.is_some_and(|drawn| drawn.elapsed() < STALE))
        };
        if !fresh || self.state() != State::Up {
            self.draw(version).await;
        }
        self.state()
    }

    fn state(&self) -> State {
        let map = self.map();
        let missing = map.slots.missing();
        if map.version == 0 {
            return map.problem.clone().map_or(State::Connecting, State::Down);
        }
        if missing > 0 {
            return State::Down(format!("{missing} of the cluster's slots are on no node"));
        }
        map.nodes.values().fold(State::Up, |state, node| match (state, node.standing()) {
            (State::Down(reason), _) => State::Down(reason),
            (_, Standing::Down(reason)) => State::Down(format!("{}: {reason}", node.server())),
            (_, Standing::Connecting) => State::Connecting,
            (state, Standing::Up(..)) => state,
        })
    }

    /// Draws a new map, unless somebody has done so since that version.
    pub(super) async fn draw(&self, outdated: u64) {
        let _asking = self.asking.lock().await;
        if self.map().version != outdated {
            return;
        }
        let drawn = self.ask().await;
        let mut map = self.map();
        match drawn {
            Ok(slots) => self.adopt(&mut map, slots),
            Err(problem) => map.problem = Some(problem),
        }
    }

    fn adopt(&self, map: &mut Map, slots: Slots) {
        map.version += 1;
        map.drawn = Some(Instant::now());
        map.problem = None;
        let owners = slots.addresses();
        map.nodes.retain(|address, _| owners.contains(address));
        for owner @ (host, port) in owners {
            let channels =
                map.channels.iter().filter(|channel| slots.owner(channel) == Some(owner)).cloned();
            let node = map.nodes.entry(owner.clone()).or_insert_with(|| {
                let server = self.urls.first().at(host, *port);
                debug!("{server} is a node of the cluster");
                let (receive_queues, changed) =
                    (Arc::clone(&self.receive_queues), Arc::clone(&self.changed));
                Arc::new(Node::start(server, Verbs::SHARDED, receive_queues, changed))
            });
            node.wish(channels.collect());
        }
        map.slots = slots;
    }

    /// Asks the nodes that are connected, and if there is none, those to begin with.
    async fn ask(&self) -> Result<Slots, String> {
        let question = cmd("CLUSTER").arg("SLOTS").to_owned();
        let nodes: Vec<_> = self.map().nodes.values().cloned().collect();
        for node in nodes {
            let Some(link) = node.link() else { continue };
            if let Ok(answer) = link.ask::<Value>(&question).await
                && let Some(slots) = Slots::read(&answer, node.server().host())
            {
                return Ok(slots);
            }
        }
        let mut problem = "it has no node".to_owned();
        for seed in self.urls.servers() {
            match ask_once(seed, &question).await {
                Ok(slots) => return Ok(slots),
                Err(error) => problem = format!("{seed}: {error}"),
            }
        }
        Err(problem)
    }

    fn map(&self) -> MutexGuard<'_, Map> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask_once(seed: &Server, question: &Cmd) -> Result<Slots, String> {
    let answer = async {
        let config = AsyncConnectionConfig::new();
        let mut connection = seed.connect(ProtocolVersion::RESP2, config).await?;
        seed.within_limit(question.query_async::<Value>(&mut connection)).await
    };
    let answer = answer.await.map_err(|error| error.reason())?;
    Slots::read(&answer, seed.host()).ok_or_else(|| "it is not a node of a cluster".into())
}
