//! What can be chosen, and what is the same in all runs.

use clap::Parser;
use harness::Mode;

pub(crate) const MODES: [Mode; 3] = [Mode::Ebpf, Mode::Cbpf, Mode::FdPassing];

/// The workers of a server that rests, and of one whose workers are replaced.
pub(crate) const WORKERS: u32 = 4;

/// A server that starts, and one that rests: time to READY, memory, wake-ups
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Rounds; times are medians over them
    #[arg(long, default_value = "9")]
    pub(crate) rounds: usize,
    /// Numbers of workers that are started
    #[arg(long, value_delimiter = ',', default_value = "1,4,16,64")]
    pub(crate) workers: Vec<u32>,
    /// How long servers rest while their wake-ups are counted, in seconds
    #[arg(long, default_value = "60")]
    pub(crate) seconds: f64,
    /// Added by cargo
    #[arg(long, hide = true)]
    bench: bool,
}
