//! The bus over Redis, or over a Redis Cluster.
//!
//! [`RedisBus`] does what the adapter asks for, by way of a node ([`node`]) for each server: that one
//! keeps a connection ([`link`]) up. Of a cluster's nodes a map ([`cluster`]) tells which carries which
//! channel. What comes goes to the receive_queues ([`receive_queues`]) of the channels.

mod bus;
mod check;
mod cluster;
mod connection;
#[cfg(test)]
mod fake;
mod invalid;
mod liveness;
mod losses;
mod node;
mod receive_queue;
mod server;
mod slots;
mod state;
mod url;
mod urls;
mod verbs;

pub use bus::RedisBus;
pub use invalid::InvalidRedisUrl;
pub use urls::{InvalidRedisAuthorities, RedisUrls};

use url::RedisUrl;
