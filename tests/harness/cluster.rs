//! A Redis Cluster of one's own.

use crate::{Redis, wait_until};

/// Three masters, each with a third of the slots.
#[derive(Debug)]
pub struct Cluster {
    host: String,
    urls: String,
    nodes: Vec<Redis>,
}

impl Cluster {
    /// Starts them and makes them one, which its clients reach at `host`.
    pub fn start(host: &str) -> Self {
        let nodes: Vec<Redis> = (0..3).map(|_| Redis::node(host)).collect();
        let ranges = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
        for (node, (first, last)) in nodes.iter().zip(ranges) {
            node.command(host, &["cluster", "addslotsrange", first, last]);
        }
        for node in &nodes[1..] {
            meet(node, &nodes[0], host);
        }
        for node in &nodes {
            wait_until("the cluster is one", || {
                let info = node.command(host, &["cluster", "info"]);
                let whole = info.contains("cluster_state:ok") && info.contains("known_nodes:3");
                whole.then_some(())
            });
        }
        let url = |node: &Redis| format!("redis://{host}:{}/", node.port());
        let urls = nodes.iter().map(url).collect::<Vec<_>>().join(",");
        Self { host: host.to_owned(), urls, nodes }
    }

    /// What to give to `--redis`.
    pub fn urls(&self) -> &str {
        &self.urls
    }

    /// The URL of the node that has a channel's hash slot.
    pub fn url_of(&self, channel: &str) -> String {
        format!("redis://{}:{}/", self.host, self.nodes[self.owner(channel)].port())
    }

    /// Gives a channel's hash slot to the next node.
    pub fn hand_over(&self, channel: &str) {
        let slot = self.command(0, &["cluster", "keyslot", channel]);
        let from = self.owner(channel);
        let to = (from + 1) % self.nodes.len();
        let [source, target] = [from, to].map(|node| self.command(node, &["cluster", "myid"]));
        self.command(to, &["cluster", "setslot", &slot, "importing", &source]);
        self.command(from, &["cluster", "setslot", &slot, "migrating", &target]);
        for node in
            [to, from].into_iter().chain((0..self.nodes.len()).filter(|&n| n != to && n != from))
        {
            self.command(node, &["cluster", "setslot", &slot, "node", &target]);
        }
        assert_eq!(self.owner(channel), to, "it is there now");
    }

    /// Gives the node that has a channel's hash slot a replica, which then takes its place in an orderly
    /// way: the node goes on as the replica.
    pub fn fail_over(&mut self, channel: &str) {
        let owner = self.owner(channel);
        let id = self.command(owner, &["cluster", "myid"]);
        let replica = Redis::node(&self.host);
        meet(&replica, &self.nodes[owner], &self.host);
        let told = |words: &[&str]| replica.command(&self.host, words);
        wait_until("the replica knows its master", || {
            told(&["cluster", "replicate", &id]).contains("OK").then_some(())
        });
        wait_until("the replica has what its master has", || {
            told(&["info", "replication"]).contains("master_link_status:up").then_some(())
        });
        wait_until("the replica is the master", || {
            told(&["cluster", "failover"]);
            told(&["info", "replication"]).contains("role:master").then_some(())
        });
        self.nodes.push(replica);
    }

    /// The node that counts a channel, and does not name another.
    fn owner(&self, channel: &str) -> usize {
        let has = |node: &usize| !self.command(*node, &["spublish", channel, ""]).contains("MOVED");
        (0..self.nodes.len()).find(has).expect("a node has the slot")
    }

    fn command(&self, node: usize, words: &[&str]) -> String {
        self.nodes[node].command(&self.host, words).trim().to_owned()
    }
}

/// Makes `node` known to the cluster of `other`.
fn meet(node: &Redis, other: &Redis, host: &str) {
    let bus = other.command(host, &["config", "get", "cluster-port"]);
    let bus = bus.lines().last().expect("the port of its bus").to_owned();
    node.command(host, &["cluster", "meet", host, &other.port().to_string(), &bus]);
}
