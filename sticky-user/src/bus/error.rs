//! What can go wrong with the bus.

use std::io;

use socketioxide_redis::drivers::redis::RedisError;

use super::InvalidRedisUrl;
use super::mesh::MeshError;

/// Why the bus cannot be used. Holds no password: texts name the server without it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL of the server cannot be used.
    #[error(transparent)]
    Url(#[from] InvalidRedisUrl),
    /// Nobody answers there.
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
         `ACL SETUSER <user> +@connection +@pubsub +info &*`"
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
    /// The embedded bus cannot be used.
    #[error("the embedded bus failed")]
    Mesh(#[from] MeshError),
    /// `LISTEN_FDS` and its companions cannot be read.
    #[error("cannot read the passed descriptors (LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES)")]
    Descriptors(#[source] io::Error),
    /// A variable of the environment does not hold what it should.
    #[error("the environment variable {name} holds {value:?}: expected a number")]
    Environment {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
    },
    /// A message could not be passed on, or a channel not be joined.
    #[error(
        "the bus (Redis) failed: {0}; a connection that broke stays broken until this worker is \
         restarted"
    )]
    Driver(#[from] RedisError),
}
