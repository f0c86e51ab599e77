//! What the workers of `sticky` tell each other, so that a broadcast of Socket.IO reaches the clients of all
//! of them.
//!
//! An application uses one type of [`Adapter`], and where it runs says what carries it:
//!
//! * under one supervisor, the embedded bus: a mesh of Unix sockets between the workers;
//! * with `--redis`, and so on several hosts, a Redis server or a Redis Cluster;
//! * started by hand, nothing.
//!
//! ```no_run
//! use socketioxide::SocketIo;
//! use socketioxide::extract::SocketRef;
//! use sticky_bus::{Adapter, Bus};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // As a worker: `worker.bus().await?` of the crate `sticky-worker`.
//! let bus = Bus::alone();
//! let (layer, io) = SocketIo::builder().with_adapter::<Adapter<_>>(bus.adapter()).build_layer();
//! io.ns("/", async |socket: SocketRef<Adapter<_>>| {
//!     socket.broadcast().emit("joined", &socket.id).await.ok();
//! })
//! .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! Delivery is at most once, and in order from each worker to each other. A client gets all that is broadcast
//! to it or is disconnected. An emit does not fail because the bus is lost: it reaches the clients of its own
//! worker, and what did not get further is counted ([`Health`]). No worker waits for a worker that has died.
//!
//! # Features
//!
//! * `redis` (on by default): Redis and Redis Cluster, with TLS. Without it, a worker that is told to use
//!   Redis fails with an [`Error`] that says so.

#![cfg_attr(
    not(feature = "redis"),
    allow(dead_code, reason = "some that is shared is for Redis alone")
)]

mod adapter;
// For sticky-worker, which sees what leaves for a client.
#[doc(hidden)]
pub mod backlog;
mod backoff;
mod bus;
mod error;
mod health;
mod log_limit;
mod mesh;
// For the supervisor, which opens the sockets.
#[doc(hidden)]
pub mod mesh_sockets;
mod namespaces;
#[cfg(feature = "redis")]
mod redis;
mod report;
mod weight;

pub use adapter::{Acks, Adapter, AdapterState, REQUEST_TIMEOUT};
pub use bus::Bus;
pub use error::Error;
pub use health::Health;
#[cfg(feature = "redis")]
pub use redis::{InvalidRedisAuthorities, InvalidRedisUrl, RedisBusError, RedisUrls};
