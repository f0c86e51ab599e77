//! The URL of a Redis server, which holds a password and never shows it.

use std::fmt;
use std::str::FromStr;

use redis::{ConnectionAddr, IntoConnectionInfo, parse_redis_url};

use super::invalid::InvalidRedisUrl;
use super::server::Server;

/// The URL of a Redis server, or of a node of a Redis Cluster.
///
/// What is displayed of it is fit for logs.
#[derive(Clone)]
pub(super) struct RedisUrl {
    text: String,
    pub(super) server: Server,
    /// It says so of itself.
    pub(super) cluster: bool,
}

/// What a scheme stands for: the scheme as the client library knows it, and whether it is one of a
/// cluster.
const SCHEMES: &[(&str, &str, bool)] = &[
    ("redis", "redis", false),
    ("valkey", "redis", false),
    ("rediss", "rediss", false),
    ("valkeys", "rediss", false),
    ("unix", "unix", false),
    ("redis+unix", "unix", false),
    ("valkey+unix", "unix", false),
    ("redis-cluster", "redis", true),
    ("valkey-cluster", "redis", true),
    ("rediss-cluster", "rediss", true),
    ("valkeys-cluster", "rediss", true),
];

impl RedisUrl {
    /// The whole URL, password included: for the environment of a worker, never for a log.
    pub(super) fn with_password(&self) -> &str {
        &self.text
    }
}

impl FromStr for RedisUrl {
    type Err = InvalidRedisUrl;

    fn from_str(text: &str) -> Result<Self, InvalidRedisUrl> {
        let (scheme, rest) = text.split_once(':').ok_or(InvalidRedisUrl::SCHEME)?;
        let &(_, scheme, cluster) =
            SCHEMES.iter().find(|(name, ..)| *name == scheme).ok_or(InvalidRedisUrl::SCHEME)?;
        let url =
            parse_redis_url(&format!("{scheme}:{rest}")).ok_or(InvalidRedisUrl::UNREADABLE)?;
        let parameters: &[&str] = match scheme {
            "unix" => &["db", "user", "pass", "protocol"],
            _ => &["protocol"],
        };
        if url.fragment().is_some() || url.query_pairs().any(|(k, _)| !parameters.contains(&&*k)) {
            return Err(InvalidRedisUrl::EXTRA);
        }
        if scheme != "unix" {
            let database = url.path().trim_matches('/');
            if !database.is_empty() && database.parse::<u32>().is_err() {
                return Err(InvalidRedisUrl::DATABASE);
            }
        }
        let server = url.into_connection_info().map_err(|_| InvalidRedisUrl::HOST)?;
        let settings = server.redis_settings();
        if settings.username().is_some() && settings.password().is_none() {
            return Err(InvalidRedisUrl::USER_ALONE);
        }
        Ok(Self { text: text.to_owned(), server: Server::new(server), cluster })
    }
}

impl RedisUrl {
    /// Whether it can be a node of a cluster whose first node is `first`: all nodes are reached in
    /// the same way, and tell each other's hosts and ports.
    pub(super) fn check_node_like(&self, first: &Self) -> Result<(), InvalidRedisUrl> {
        let of = |url: &Self| {
            let settings = url.server.info.redis_settings();
            let tls = matches!(url.server.info.addr(), ConnectionAddr::TcpTls { .. });
            (settings.username().map(String::from), settings.password().map(String::from), tls)
        };
        if matches!(self.server.info.addr(), ConnectionAddr::Unix(_)) {
            Err(InvalidRedisUrl::CLUSTER_SOCKET)
        } else if self.server.info.redis_settings().db() != 0 {
            Err(InvalidRedisUrl::CLUSTER_DATABASE)
        } else if of(self) != of(first) {
            Err(InvalidRedisUrl::CLUSTER_MIXED)
        } else {
            Ok(())
        }
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.server.fmt(f)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

#[cfg(test)]
#[path = "url_tests.rs"]
mod tests;
