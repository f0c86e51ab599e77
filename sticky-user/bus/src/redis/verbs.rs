//! What the commands are called.

/// The names of the commands of one kind of publishing and subscribing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verbs {
    pub(super) publish: &'static str,
    pub(super) subscribe: &'static str,
    pub(super) unsubscribe: &'static str,
    /// Behind `PUBSUB`.
    pub(super) count: &'static str,
}

impl Verbs {
    /// Of a server of its own.
    pub(super) const PLAIN: Self = Self {
        publish: "PUBLISH",
        subscribe: "SUBSCRIBE",
        unsubscribe: "UNSUBSCRIBE",
        count: "NUMSUB",
    };

    /// Of a cluster, where each channel belongs to one node. With the plain ones every node would
    /// get every message.
    pub(super) const SHARDED: Self = Self {
        publish: "SPUBLISH",
        subscribe: "SSUBSCRIBE",
        unsubscribe: "SUNSUBSCRIBE",
        count: "SHARDNUMSUB",
    };
}
