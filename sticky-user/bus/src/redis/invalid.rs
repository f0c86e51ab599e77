//! What can be wrong with a URL, or with the certificates of authorities.

/// Why a URL names no Redis server that can be used. Quotes nothing of it: where it cannot be
/// read, nobody can tell which part is the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the URL of the Redis server {problem}; a right one: {example}", example = Self::EXAMPLE)]
pub struct InvalidRedisUrl {
    problem: &'static str,
}

impl InvalidRedisUrl {
    pub(crate) const EXAMPLE: &'static str = "redis://user:password@127.0.0.1:6379/0";

    pub(crate) const NOT_TEXT: Self = Self::new("is not UTF-8");
    pub(super) const SCHEME: Self = Self::new(
        "begins with none of redis://, rediss://, unix://, redis-cluster:// and \
         rediss-cluster:// (a comma ends a URL: within a password it is written %2C)",
    );
    pub(super) const UNREADABLE: Self = Self::new(
        "cannot be read: host or port is malformed, or the password has special characters \
         (write @ as %40, / as %2F, : as %3A, # as %23, ? as %3F, % as %25)",
    );
    pub(super) const EXTRA: Self = Self::new(
        "has parts after the host that mean nothing here: if they belong to the password, write \
         # as %23 and ? as %3F",
    );
    pub(super) const USER_ALONE: Self = Self::new(
        "has a user without a password; a password without a user is redis://:password@host",
    );
    pub(super) const DATABASE: Self =
        Self::new("has something else than a number after the last /");
    pub(super) const HOST: Self =
        Self::new("has no host, or no path of a socket, that can be connected to");
    pub(super) const CLUSTER_SOCKET: Self = Self::new(
        "is one of several, which means a Redis Cluster, and names a Unix socket: the nodes of a \
         cluster are reached by host and port",
    );
    pub(super) const CLUSTER_DATABASE: Self =
        Self::new("is of a Redis Cluster, which has no database but 0, and names another");
    pub(super) const CLUSTER_MIXED: Self = Self::new(
        "is one of several, which means a Redis Cluster, and differs from the first in user, \
         password or TLS: all nodes of a cluster are reached with the same",
    );

    const fn new(problem: &'static str) -> Self {
        Self { problem }
    }

    /// All of them.
    #[cfg(test)]
    pub(super) const ALL: [Self; 11] = [
        Self::NOT_TEXT,
        Self::SCHEME,
        Self::UNREADABLE,
        Self::EXTRA,
        Self::USER_ALONE,
        Self::DATABASE,
        Self::HOST,
        Self::CLUSTER_SOCKET,
        Self::CLUSTER_DATABASE,
        Self::CLUSTER_MIXED,
        Self::new(""),
    ];
}

/// What should hold certificates does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no certificate of an authority can be read in it: it must be of PEM (-----BEGIN CERTIFICATE-----)"
)]
pub struct InvalidRedisAuthorities;
