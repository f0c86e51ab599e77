//! What can be chosen.

use clap::Parser;

use crate::kind::Kind;
use crate::servers::Choice;

/// Idle connections: memory of each, and the CPU time of answering pings
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Rounds; results are medians over them
    #[arg(long, default_value = "3")]
    pub(crate) rounds: usize,
    /// Connections to each server, or several such numbers; each takes a file of the server and one
    /// of the bench (ulimit -n, which root can raise)
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
    /// Added by cargo
    #[arg(long, hide = true)]
    bench: bool,
}
