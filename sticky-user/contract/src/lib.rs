//! What a supervisor of `sticky` and its workers agree on.
//!
//! * [`Inherited`]: all that a supervisor passes to a worker, read once,
//! * [`lease`]: which worker of a slot accepts,
//! * [`notify`]: how a worker tells its supervisor something,
//! * [`SlotId`] and [`PerSlot`]: which slot, and what there is one of for each,
//! * [`variable`], [`descriptor`], [`message`]: the names of these things.
//!
//! A program in another language keeps the same contract by itself.

#![warn(clippy::missing_errors_doc)]

mod inherited;
pub mod lease;
pub mod notify;
mod per_slot;

pub use inherited::{Inherited, InheritedBus, InheritedError, Source};
pub use per_slot::PerSlot;
pub use sticky_ebpf::{SlotCount, SlotCountError, SlotId, SlotIdError};

/// Variables of a worker's environment.
pub mod variable {
    /// The number of the worker's slot, from 0.
    pub const SLOT: &str = "STICKY_SLOT";
    /// The number of slots.
    pub const WORKERS: &str = "STICKY_WORKERS";
    /// The name of the mode: how connections get to their slots.
    pub const MODE: &str = "STICKY_MODE";
    /// How long connections may take to end when the worker drains, such as `10s`.
    pub const DRAIN_TIMEOUT: &str = "STICKY_DRAIN_TIMEOUT";
    /// As many bytes may wait for a client.
    pub const CLIENT_BUFFER: &str = "STICKY_CLIENT_BUFFER";
    /// As many connections the worker has at most.
    pub const MAX_CONNECTIONS: &str = "STICKY_MAX_CONNECTIONS";
    /// The directory of the embedded bus's sockets.
    pub const BUS: &str = "STICKY_BUS";
    /// The Redis server; or, separated by commas, nodes of a Redis Cluster.
    pub const REDIS: &str = "STICKY_REDIS";
    /// A file with the certificates of the authorities that sign Redis's certificate (PEM), where that
    /// is not one which browsers trust.
    pub const REDIS_CA: &str = "STICKY_REDIS_CA";
    /// Names of the descriptors behind those of `LISTEN_FDS`, separated by colons.
    pub const FDS: &str = sticky_sys::inherited::FURTHER;
}

/// Names of descriptors that a worker is passed.
pub mod descriptor {
    /// The slot's listener.
    pub const LISTENER: &str = "listener";
    /// In mode `fd-passing`: a Unix socket that brings connections which the supervisor accepted.
    pub const CONNECTIONS: &str = "connections";
    /// The file of the [accept lease](crate::lease).
    pub const LEASE: &str = "accept-lease";
    /// The slot's listener of the embedded bus.
    pub const BUS: &str = "bus";
    /// A Unix socket that brings connections which waited at another slot, when that one had no worker.
    pub const REDISTRIBUTED: &str = "redistributed";
}

/// What a worker may say beside systemd's `READY=1`, `STOPPING=1` and `WATCHDOG=1`.
pub mod message {
    /// Said with `READY=1` by a worker that serves redistributed connections.
    pub const REDISTRIBUTED: &str = "X_STICKY_REDISTRIBUTED=1";
    /// What a message about the bus begins with; the rest of the line is JSON.
    pub const BUS: &str = "X_STICKY_BUS";
}
