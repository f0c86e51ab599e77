//! What waits for each client, and what follows when it is too much.
//!
//! The engine keeps a queue of packets for each session and drops what does not fit. So that nothing has
//! to be dropped, each session has an account of what was broadcast to it and has not left yet: a
//! broadcast to a client that is behind waits until there is room again ([`Backlogs::room`]), and the
//! connection of its sender is not read meanwhile ([`Backlogs::turn`]). A client that does not make room in
//! [`PATIENCE`] is disconnected: it knows that it missed something, and the others go on.
//!
//! The account counts in one unit: the bytes of a packet, and as much more for each that half of the
//! engine's queue is never exceeded. The other half is for packets that an application emits to one
//! socket alone: they are not put on the account, but leave like all others, so that it errs by those
//! that leave while others wait, to the client's favour.

mod account;
mod book;
mod senders;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use account::Backlog;
pub use book::Backlogs;

/// What a packet weighs beside its bytes, at least.
const PACKET: usize = 256;

/// So many packets a client that polls may bring until it fetches.
pub const UNFETCHED: usize = 256;

/// As much may when nothing is said.
pub const USUAL_BUFFER: usize = 2 << 20;

/// How long a client that is behind may take until half of what may wait has left, and how long it may
/// take nothing at all.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The same while messages of the bus pile up behind such clients, and would be lost to all.
const HURRY: Duration = Duration::from_secs(1);
