//! What the whole-program tests are made of: real processes, addresses and clients.
//!
//! Everything made here is gone when it is dropped, also when a test fails, and what the processes
//! said is printed only then. Tests may run in parallel: each has a port, a folder, a control
//! socket and, where it needs one, a network namespace of its own.

#![allow(clippy::missing_panics_doc, reason = "a harness panics where a test has to fail")]

pub mod addresses;
pub mod binaries;
mod cli;
pub mod clients;
mod cluster;
mod crowd;
pub mod deadline;
pub mod http;
mod kernel;
mod marker;
mod namespace;
mod node;
mod output;
mod redis;
pub mod rights;
mod service_manager;
mod signals;
mod sticky;

pub use addresses::{addresses, addresses_of_slot, digit_slot, edge_addresses};
pub use cli::{Cli, Which};
pub use clients::{Client, Clients};
pub use cluster::Cluster;
pub use crowd::{Crowd, Seen};
pub use deadline::{DEADLINE, wait_until};
pub use namespace::Namespace;
pub use node::node;
pub use output::Output;
pub use redis::Redis;
pub use service_manager::{StartedAgain, kill_all_and_start_again};
pub use signals::{pause, send};
pub use sticky::{Ended, Mode, Status, Sticky, StickyOptions};
