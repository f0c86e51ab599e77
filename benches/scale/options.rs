//! What can be chosen.

use clap::Parser;

/// Kernel programs: connections per number of slots and of open connections
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Rounds; results are medians over them
    #[arg(long, default_value = "15")]
    pub(crate) rounds: usize,
    /// Connections in a round
    #[arg(long, default_value = "4000")]
    pub(crate) connections: usize,
    /// Numbers of slots
    #[arg(long, value_delimiter = ',', default_value = "2,8,32,128,256")]
    pub(crate) slots: Vec<u32>,
    /// Numbers of connections that are open meanwhile on each port, with 4 slots; each takes 8 of
    /// the files that a process may open (ulimit -n)
    #[arg(long, value_delimiter = ',', default_value = "0,500,2000")]
    pub(crate) open: Vec<usize>,
    /// Added by cargo
    #[arg(long, hide = true)]
    bench: bool,
}
