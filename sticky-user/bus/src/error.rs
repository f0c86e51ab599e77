//! What can go wrong with the bus.

use std::io;

#[cfg(feature = "redis")]
use crate::redis::{InvalidRedisUrl, RedisBusError};

/// Why the bus cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Redis cannot be used.
    #[cfg(feature = "redis")]
    #[error(transparent)]
    Redis(#[from] RedisBusError),
    /// The worker is to use Redis, and its program was built without it.
    #[cfg(not(feature = "redis"))]
    #[error(
        "this program was built without Redis (feature `redis` of the crate sticky-bus), and STICKY_REDIS \
         names a server: build it with the feature, or serve it without --redis"
    )]
    NoRedis,
    /// The slot's socket of the embedded bus, which the supervisor passed, cannot be used.
    #[error("cannot use the bus socket that the supervisor passed")]
    Socket(#[source] io::Error),
    /// A message cannot be sent to the other workers, whatever the bus.
    #[error("the other workers cannot be told: {reason}")]
    Unsendable {
        /// What is wrong with the message.
        reason: String,
    },
}

#[cfg(feature = "redis")]
impl From<InvalidRedisUrl> for Error {
    fn from(error: InvalidRedisUrl) -> Self {
        Self::Redis(error.into())
    }
}
