//! What can be chosen.

use std::net::SocketAddr;

use clap::Parser;

use crate::kind::Kind;

/// Slow clients: what they cost their neighbours and the worker, and when they are gone
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Rounds; results are medians over them
    #[arg(long, default_value = "3")]
    pub(crate) rounds: usize,
    /// Kinds of slow clients
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Kind::ALL)]
    pub(crate) kinds: Vec<Kind>,
    /// Slow clients of each kind; by default 5000 with a head, 1000 of the others
    #[arg(long)]
    clients: Option<usize>,
    /// How long the neighbour asks undisturbed, and as long beside slow clients, in seconds
    #[arg(long, default_value = "4")]
    pub(crate) seconds: f64,
    /// Be the slow clients of a server: the bench starts itself anew for that
    #[arg(long, hide = true, requires = "address")]
    pub(crate) client: Option<Kind>,
    /// Where that server listens
    #[arg(long, hide = true)]
    pub(crate) address: Option<SocketAddr>,
    /// Added by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    pub(crate) fn clients(&self, kind: Kind) -> usize {
        match kind {
            Kind::Nobody => 0,
            _ => self.clients.unwrap_or(kind.clients()),
        }
    }
}
