//! What can be chosen.

use clap::Parser;
use sticky_benches::servers::Kind;
use sticky_ebpf::SlotCount;

/// Connections per second, latency and CPU time of servers that take turns
#[derive(Clone, Debug, Parser)]
pub(crate) struct Options {
    /// Rounds; results are medians over them
    #[arg(long, default_value = "9")]
    pub(crate) rounds: usize,
    /// How long a server is under load in each round, in seconds
    #[arg(long, default_value = "2")]
    pub(crate) seconds: f64,
    /// Workers of each server
    #[arg(long, default_value = "4")]
    pub(crate) workers: SlotCount,
    /// Connections that are open at a time
    #[arg(long, default_value = "32")]
    pub(crate) connections: usize,
    /// Addresses that clients connect from
    #[arg(long, default_value = "4096")]
    pub(crate) sources: usize,
    /// Only servers whose name contains this; the limit is always there
    #[arg(long)]
    pub(crate) only: Vec<String>,
    /// Added by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// Whether that server is to be measured.
    pub(crate) fn wants(&self, kind: Kind) -> bool {
        let name = kind.to_string();
        self.only.is_empty()
            || kind == Kind::Plain
            || self.only.iter().any(|part| name.contains(part))
    }
}
