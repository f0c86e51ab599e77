//! A Redis Cluster of one's own.

use crate::{Redis, wait_until};

/// Three masters, each with a third of the slots.
#[derive(Debug)]
pub struct Cluster {
    urls: String,
    _nodes: Vec<Redis>,
}

impl Cluster {
    /// Starts them and makes them one, which its clients reach at `host`.
    pub fn start(host: &str) -> Self {
        let nodes: Vec<Redis> = (0..3).map(|_| Redis::node(host)).collect();
        let ranges = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
        for (node, (first, last)) in nodes.iter().zip(ranges) {
            node.command(host, &["cluster", "addslotsrange", first, last]);
        }
        let bus = nodes[0].command(host, &["config", "get", "cluster-port"]);
        let bus = bus.lines().last().expect("the port of its bus").to_owned();
        for node in &nodes[1..] {
            node.command(host, &["cluster", "meet", host, &nodes[0].port().to_string(), &bus]);
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
        Self { urls, _nodes: nodes }
    }

    /// What to give to `--redis`.
    pub fn urls(&self) -> &str {
        &self.urls
    }
}
