//! What commands and channels are called, on a server of its own and in a cluster.

use super::topology::PREFIX;

/// The names of one kind of publishing and subscribing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Commands {
    pub(super) publish: &'static str,
    pub(super) subscribe: &'static str,
    pub(super) unsubscribe: &'static str,
    /// Behind `PUBSUB`.
    pub(super) count: &'static str,
    /// What the names of the channels begin with.
    pub(super) prefix: &'static str,
}

impl Commands {
    /// The names for a cluster, or for a server of its own.
    pub(super) const fn of(is_cluster: bool) -> Self {
        if is_cluster { Self::SHARDED } else { Self::PLAIN }
    }

    /// Of a server of its own.
    pub(super) const PLAIN: Self = Self {
        publish: "PUBLISH",
        subscribe: "SUBSCRIBE",
        unsubscribe: "UNSUBSCRIBE",
        count: "NUMSUB",
        prefix: "socket.io",
    };

    /// Of a cluster, where each channel belongs to one node. With the plain ones every node would
    /// get every message, and each would count its own subscribers only.
    pub(super) const SHARDED: Self = Self {
        publish: "SPUBLISH",
        subscribe: "SSUBSCRIBE",
        unsubscribe: "SUNSUBSCRIBE",
        count: "SHARDNUMSUB",
        prefix: PREFIX,
    };
}
