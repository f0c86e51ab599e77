//! What waits for each client, and what follows when it is too much: the seam between the bus, which adds to
//! it, and sticky-worker, which sees what leaves.
//!
//! The engine keeps a queue of packets for each session and drops what does not fit. So that nothing has
//! to be dropped, each session has a [`Backlog`]: what was broadcast to it and has not left yet. The
//! [`Adapter`](crate::Adapter) lets a broadcast to a client that is behind wait until the client has
//! capacity again, and the connection of its sender is not read meanwhile. A client that does not read
//! enough within 10 s is disconnected: it knows that it missed something, and the others go on.
//!
//! sticky-worker makes a [`Backlog`] for each session, asks it whether the client may be heard, and tells
//! it what has left. An application has nothing to do with it.
//!
//! ```
//! use sticky_bus::backlog::{Backlog, Backlogs};
//!
//! // 1 MiB may wait for each client.
//! let backlogs = Backlogs::new(1 << 20);
//! let backlog = Backlog::new(&backlogs);
//! backlog.put(1 << 20);
//! assert!(backlog.is_behind());
//! backlog.took(1, 1 << 20);
//! assert!(!backlog.is_behind());
//! ```
//!
//! A backlog counts in one unit: the bytes of a packet, and as much more for each that half of the
//! engine's queue is never exceeded. The other half is for packets that an application emits to one
//! socket alone: they are not counted, but leave like all others, so that a backlog errs by those
//! that leave while others wait, to the client's favour.

mod by_id;
mod client;
mod limits;
mod registry;
mod send_order;
#[cfg(test)]
mod tests;

pub use client::Backlog;
pub use registry::Backlogs;
