//! The URL of a Redis server, which holds a password and never shows it.

use std::fmt;
use std::str::FromStr;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, parse_redis_url};

/// The URL of a Redis server: `redis://user:password@host:6379/0`.
///
/// What is displayed of it is fit for logs:
///
/// ```
/// use sticky_user::bus::RedisUrl;
///
/// let url: RedisUrl = "redis://chat:open%20sesame@127.0.0.1".parse()?;
/// assert_eq!(url.to_string(), "redis://chat:***@127.0.0.1:6379/0");
/// # Ok::<(), sticky_user::bus::InvalidRedisUrl>(())
/// ```
#[derive(Clone)]
pub struct RedisUrl {
    text: String,
    pub(super) server: ConnectionInfo,
}

/// Why a URL names no Redis server that can be used. Quotes nothing of it: where it cannot be
/// read, nobody can tell which part is the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the URL of the Redis server {problem}; a right one: {example}", example = Self::EXAMPLE)]
pub struct InvalidRedisUrl {
    problem: &'static str,
}

impl InvalidRedisUrl {
    pub(in crate::bus) const EXAMPLE: &'static str = "redis://user:password@127.0.0.1:6379/0";

    pub(in crate::bus) const NOT_TEXT: Self = Self::new("is not UTF-8");
    const SCHEME: Self = Self::new("begins neither with redis:// nor with unix://");
    const TLS: Self = Self::new("asks for TLS (rediss://), which is not built in");
    const UNREADABLE: Self = Self::new(
        "cannot be read: host or port is malformed, or the password has special characters \
         (write @ as %40, / as %2F, : as %3A, # as %23, ? as %3F, % as %25)",
    );
    const EXTRA: Self = Self::new(
        "has parts after the host that mean nothing here: if they belong to the password, write \
         # as %23 and ? as %3F",
    );
    const USER_ALONE: Self = Self::new(
        "has a user without a password; a password without a user is redis://:password@host",
    );
    const DATABASE: Self = Self::new("has something else than a number after the last /");
    const HOST: Self = Self::new("has no host, or no path of a socket, that can be connected to");

    const fn new(problem: &'static str) -> Self {
        Self { problem }
    }
}

impl RedisUrl {
    /// The whole URL, password included: for the environment of a worker, never for a log.
    pub fn with_password(&self) -> &str {
        &self.text
    }
}

impl FromStr for RedisUrl {
    type Err = InvalidRedisUrl;

    fn from_str(text: &str) -> Result<Self, InvalidRedisUrl> {
        let scheme = text.split_once(':').ok_or(InvalidRedisUrl::SCHEME)?.0;
        let tcp = match scheme {
            "redis" | "valkey" => true,
            "unix" | "redis+unix" | "valkey+unix" => false,
            "rediss" | "valkeys" => return Err(InvalidRedisUrl::TLS),
            _ => return Err(InvalidRedisUrl::SCHEME),
        };
        let url = parse_redis_url(text).ok_or(InvalidRedisUrl::UNREADABLE)?;
        let parameters: &[&str] =
            if tcp { &["protocol"] } else { &["db", "user", "pass", "protocol"] };
        if url.fragment().is_some() || url.query_pairs().any(|(k, _)| !parameters.contains(&&*k)) {
            return Err(InvalidRedisUrl::EXTRA);
        }
        if tcp {
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
        Ok(Self { text: text.to_owned(), server })
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.server.redis_settings();
        let database = settings.db();
        let user = settings.username().unwrap_or_default();
        if let ConnectionAddr::Unix(path) = self.server.addr() {
            write!(f, "unix://{}?db={database}", path.display())?;
            return match settings.password() {
                Some(_) => write!(f, "&user={user}&pass=***"),
                None => Ok(()),
            };
        }
        f.write_str("redis://")?;
        if settings.password().is_some() {
            write!(f, "{user}:***@")?;
        }
        match self.server.addr() {
            ConnectionAddr::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}")?,
            address => write!(f, "{address}")?,
        }
        write!(f, "/{database}")
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
