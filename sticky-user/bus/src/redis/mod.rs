//! The bus over Redis, or over a Redis Cluster.
//!
//! [`bus`] is what the adapter asks; a task ([`keep`]) keeps one [`connection`] up, to the server or, in a
//! cluster, to the node that has the bus's hash slot ([`topology`]). What comes goes to the receive queues
//! ([`receive_queue`]) of the channels.
//!
//! Of the client library only its plain connection is used. Its `ConnectionManager` takes a server that is
//! silent for one that is there, makes all that is published wait for it and sends it late, and forgets
//! subscriptions that are refused when the server is back; it keeps to itself why it cannot connect. Its cluster
//! connection forgets channels whose hash slot moves. `tests/suite/bus/client_library.rs` shows that.

mod bus;
mod check;
mod commands;
mod connection;
mod error;
#[cfg(test)]
mod fake;
mod invalid;
mod keep;
mod liveness;
mod losses;
mod receive_queue;
mod server;
mod state_reporter;
mod topology;
mod url;
mod urls;

pub(crate) use bus::RedisBus;
pub use error::RedisBusError;
pub use invalid::{InvalidRedisAuthorities, InvalidRedisUrl};
pub use urls::RedisUrls;
