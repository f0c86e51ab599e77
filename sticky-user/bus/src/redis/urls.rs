//! The URLs of what the bus runs over: one Redis server, or nodes of a Redis Cluster.

use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use super::error::RedisBusError;
use super::invalid::{InvalidRedisAuthorities, InvalidRedisUrl};
use super::server::Server;
use super::url::RedisUrl;

/// One Redis server:
///
/// | URL | |
/// | --- | --- |
/// | `redis://user:password@host:6379/0` | only the host is needed |
/// | `rediss://user:password@host:6379/0` | with TLS |
/// | `unix:///path/of.sock?db=0&user=user&pass=password` | on this host; also `redis+unix://` |
///
/// or a Redis Cluster, which is what several URLs mean, or a URL that begins with `redis-cluster://`
/// or `rediss-cluster://`. One node that answers is enough: it names the others.
///
/// What is displayed of them is fit for logs:
///
/// ```
/// use sticky_bus::RedisUrls;
///
/// let urls: RedisUrls = "redis://:secret@10.0.0.1,redis://:secret@10.0.0.2".parse()?;
/// assert!(urls.is_cluster());
/// assert_eq!(urls.to_string(), "redis://:***@10.0.0.1:6379/0,redis://:***@10.0.0.2:6379/0");
/// # Ok::<(), sticky_bus::InvalidRedisUrl>(())
/// ```
#[derive(Clone, Debug)]
pub struct RedisUrls {
    first: RedisUrl,
    more: Vec<RedisUrl>,
}

impl RedisUrls {
    /// Whether they name a Redis Cluster.
    pub fn is_cluster(&self) -> bool {
        !self.more.is_empty() || self.first.cluster
    }

    /// The URLs as they were given, passwords included: for the environment of a worker, never for
    /// a log.
    pub fn with_passwords(&self) -> String {
        self.iter().map(RedisUrl::with_password).collect::<Vec<_>>().join(",")
    }

    /// Trusts, for `rediss://`, the certificates of these authorities alone (PEM), and not the ones
    /// that browsers trust.
    ///
    /// # Errors
    ///
    /// No certificate can be read in it.
    pub fn with_authorities(mut self, pem: &[u8]) -> Result<Self, InvalidRedisAuthorities> {
        for url in std::iter::once(&mut self.first).chain(&mut self.more) {
            url.server = url.server.with_authorities(pem).ok_or(InvalidRedisAuthorities)?;
        }
        Ok(self)
    }

    /// The same, of a file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or no certificate in it.
    pub fn with_authorities_of(self, file: &Path) -> Result<Self, RedisBusError> {
        let path = file.to_path_buf();
        let pem = match fs::read(file) {
            Ok(pem) => pem,
            Err(source) => return Err(RedisBusError::AuthoritiesUnread { path, source }),
        };
        self.with_authorities(&pem).map_err(|source| RedisBusError::Authorities { path, source })
    }

    /// The servers to begin with.
    pub(super) fn servers(&self) -> impl Iterator<Item = &Server> {
        self.iter().map(|url| &url.server)
    }

    pub(super) fn first(&self) -> &Server {
        &self.first.server
    }

    fn iter(&self) -> impl Iterator<Item = &RedisUrl> {
        std::iter::once(&self.first).chain(&self.more)
    }
}

impl FromStr for RedisUrls {
    type Err = InvalidRedisUrl;

    /// Reads URLs that are separated by commas.
    fn from_str(text: &str) -> Result<Self, InvalidRedisUrl> {
        let mut urls = text.split(',').map(str::parse::<RedisUrl>);
        // A split has one part at least.
        let first = urls.next().unwrap_or(Err(InvalidRedisUrl::SCHEME))?;
        let more = urls.collect::<Result<Vec<_>, _>>()?;
        let urls = Self { first, more };
        if urls.is_cluster() {
            urls.iter().try_for_each(|url| url.check_node_like(&urls.first))?;
        }
        Ok(urls)
    }
}

impl fmt::Display for RedisUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        self.more.iter().try_for_each(|url| write!(f, ",{url}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_a_server_and_several_are_a_cluster() {
        for (text, cluster) in [
            ("redis://a", false),
            ("unix:///run/redis.sock", false),
            ("redis-cluster://a", true),
            ("rediss-cluster://a", true),
            ("redis://a,redis://b", true),
            ("redis://u:p@a,redis://u:p@b:7000/0,redis-cluster://u:p@c", true),
        ] {
            let urls: RedisUrls = text.parse().unwrap();
            assert_eq!(urls.is_cluster(), cluster, "{text}");
            assert_eq!(urls.with_passwords(), text);
            assert_eq!(urls.servers().count(), text.split(',').count());
        }
    }

    #[test]
    fn nodes_of_a_cluster_are_alike() {
        for (text, wrong) in [
            ("", InvalidRedisUrl::SCHEME),
            ("redis://a,", InvalidRedisUrl::SCHEME),
            ("redis://:with,comma@a", InvalidRedisUrl::UNREADABLE),
            ("redis://a,unix:///run/redis.sock", InvalidRedisUrl::CLUSTER_SOCKET),
            ("redis-cluster://a/1", InvalidRedisUrl::CLUSTER_DATABASE),
            ("redis://a,redis://b/1", InvalidRedisUrl::CLUSTER_DATABASE),
            ("redis://a,redis://:p@b", InvalidRedisUrl::CLUSTER_MIXED),
            ("redis://u:p@a,redis://v:p@b", InvalidRedisUrl::CLUSTER_MIXED),
            ("redis://a,rediss://b", InvalidRedisUrl::CLUSTER_MIXED),
        ] {
            assert_eq!(text.parse::<RedisUrls>().unwrap_err(), wrong, "{text}");
        }
    }

    #[test]
    fn authorities_are_of_pem() {
        let urls: RedisUrls = "rediss://a".parse().unwrap();
        assert_eq!(urls.with_authorities(b"mud").unwrap_err(), InvalidRedisAuthorities);
        let urls: RedisUrls = "redis://a".parse().unwrap();
        urls.with_authorities(b"mud").expect("nobody asks for a certificate there");
    }
}
