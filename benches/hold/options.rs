//! What can be chosen.

use std::net::SocketAddr;

use clap::Parser;

use crate::kind::Kind;
use crate::servers::Choice;

/// Idle connections: memory of each, and the CPU time of answering pings
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Rounds; results are medians over them
    #[arg(long, default_value = "3")]
    pub(crate) rounds: usize,
    /// Connections to each server, or several such numbers; where a process may not open so many files,
    /// several processes have them
    #[arg(long, value_delimiter = ',', default_value = "10000")]
    pub(crate) connections: Vec<usize>,
    /// Kinds of connection
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Kind::ALL)]
    pub(crate) kinds: Vec<Kind>,
    /// Servers
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Choice::USUAL)]
    pub(crate) servers: Vec<Choice>,
    /// How long connections are held while the CPU time is counted, in seconds: two of the servers' ping
    /// intervals; 0 leaves that out
    #[arg(long, default_value = "50")]
    pub(crate) seconds: u64,
    /// Be the clients of a server: the bench starts itself anew for that
    #[arg(long, hide = true, requires = "address")]
    pub(crate) client: Option<Kind>,
    /// Where that server listens
    #[arg(long, hide = true)]
    pub(crate) address: Option<SocketAddr>,
    /// Added by cargo
    #[arg(long, hide = true)]
    bench: bool,
}
