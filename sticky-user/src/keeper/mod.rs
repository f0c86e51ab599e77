//! Keeps what the port is served with while the supervisor is replaced, whether it wants to be or
//! was killed: a small process that holds a duplicate of every descriptor.
//!
//! ```text
//! supervisor ──keep, forget, note──► keeper ──take──► next supervisor
//!                              client ◄── 503 ──┘  (where there is no supervisor)
//! ```
//!
//! It knows names and descriptors, and a note that it does not read. While there is no supervisor,
//! it tells so to clients of the control socket. It goes when the supervisor tells it to, or
//! when supervisor and workers have gone: then there is nobody to keep it for.

mod client;
mod clients;
mod message;
mod server;
mod vacancy;

pub(crate) use client::KeeperClient;
pub(crate) use server::serve;
pub(crate) use vacancy::Vacancy;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

/// What begins the name of a process that is waited for (a pidfd): while one lives, so does the
/// keeper.
pub(crate) const PROCESS: &str = "process-";

/// The name of the listening socket at which the supervisor is asked, by HTTP.
pub(crate) const CONTROL: &str = "control";

/// What a supervisor leaves to the next.
#[derive(Debug, Default)]
pub(crate) struct Handover {
    /// The descriptors, by name.
    pub descriptors: BTreeMap<String, OwnedFd>,
    /// What it noted last.
    pub note: String,
}
