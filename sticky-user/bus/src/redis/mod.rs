//! The bus over Redis, or over a Redis Cluster.
//!
//! [`RedisBus`] does what the adapter asks for, by way of a node ([`node`]) for each server: that one
//! keeps a connection ([`link`]) up. Of a cluster's nodes a map ([`cluster`]) tells which carries which
//! channel. What comes goes to the inboxes ([`inboxes`]) of the channels.

mod backoff;
mod bus;
mod check;
mod cluster;
#[cfg(test)]
mod fake;
mod inboxes;
mod invalid;
mod link;
mod losses;
mod node;
mod pulse;
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
