//! What can go wrong with Redis.

use std::io;
use std::path::PathBuf;

use super::invalid::{InvalidRedisAuthorities, InvalidRedisUrl};

/// Why Redis cannot be used. Holds no password: texts name the server without it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisBusError {
    /// The URL of the server cannot be used.
    #[error(transparent)]
    Url(#[from] InvalidRedisUrl),
    /// No server answers there.
    #[error(
        "cannot reach Redis at {url}: {reason}; check that the server runs there, and the host \
         and port of the URL"
    )]
    Unreachable {
        /// The server.
        url: String,
        /// What the operating system says.
        reason: String,
    },
    /// The URL has no password, and the server wants one.
    #[error("Redis at {url} asks for a password: write it as in {example}", example = InvalidRedisUrl::EXAMPLE)]
    PasswordMissing {
        /// The server.
        url: String,
    },
    /// The server knows no such user with such a password.
    #[error(
        "Redis at {url} refused the password: check user and password of the URL (there, special \
         characters are written as %40 for @, %2F for /, %25 for %)"
    )]
    PasswordRefused {
        /// The server.
        url: String,
    },
    /// The user lacks a right.
    #[error(
        "Redis at {url} does not let this user do what the bus needs: {reason}; let it with \
         `ACL SETUSER <user> +@connection +@pubsub +info +cluster|slots +cluster|info &*`"
    )]
    Forbidden {
        /// The server.
        url: String,
        /// What the server says.
        reason: String,
    },
    /// The server cannot do what the bus needs.
    #[error("Redis at {url} is version {version}: the bus needs 7.0 or later; upgrade the server")]
    TooOld {
        /// The server.
        url: String,
        /// Its version.
        version: String,
    },
    /// The server answered with something else.
    #[error("Redis at {url} cannot be used: {reason}; check the URL, and see the server's log")]
    Unusable {
        /// The server.
        url: String,
        /// What it answered.
        reason: String,
    },
    /// TLS could not be agreed on.
    #[error(
        "no secure connection to Redis at {url}: {reason}; check that this port speaks TLS and that \
         the server's certificate is for this host; where a private authority signed it, name that \
         one's certificate with --redis-ca FILE (STICKY_REDIS_CA)"
    )]
    NotSecure {
        /// The server.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The certificates of authorities cannot be read.
    #[error("cannot read {} (--redis-ca, STICKY_REDIS_CA)", path.display())]
    AuthoritiesUnread {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There are none in the file.
    #[error("cannot use {} (--redis-ca, STICKY_REDIS_CA)", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: InvalidRedisAuthorities,
    },
    /// The server is none of a cluster, and should be.
    #[error(
        "Redis at {url} is not a node of a cluster, which several URLs or redis-cluster:// mean; \
         name this one alone as redis://, or start it with `cluster-enabled yes`"
    )]
    NoCluster {
        /// The server.
        url: String,
    },
    /// The cluster does not work at present.
    #[error(
        "the Redis Cluster of {url} is down: {served} of its 16384 slots are served; see \
         `redis-cli cluster info` and `redis-cli --cluster check`"
    )]
    ClusterDown {
        /// The node that says so.
        url: String,
        /// How many slots work.
        served: String,
    },
}

impl RedisBusError {
    /// Whether it may pass by itself: a server comes back.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::ClusterDown { .. })
    }

    /// The reason alone, where the server is known.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Unreachable { reason, .. }
            | Self::NotSecure { reason, .. }
            | Self::Forbidden { reason, .. }
            | Self::Unusable { reason, .. } => reason.clone(),
            Self::PasswordMissing { .. } => "it asks for a password".into(),
            Self::PasswordRefused { .. } => "it refused the password".into(),
            other => other.to_string(),
        }
    }
}
