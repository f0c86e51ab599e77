//! `cargo xtask bench`: how fast it is.

use anyhow::Result;
use clap::ValueEnum;

use crate::{cargo, exec, setup};

/// Measure, beside what else there is; results also go to target/bench
///
///   cargo xtask bench mapping   the time from an address to its slot, in user space
///   cargo xtask bench bus       broadcasts between workers, embedded bus beside Redis
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// What is measured
    what: Bench,
}

#[derive(Clone, Copy, ValueEnum)]
enum Bench {
    Mapping,
    Bus,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let name = match options.what {
        Bench::Mapping => "mapping",
        Bench::Bus => {
            setup::redis()?;
            "bus"
        }
    };
    exec::run(cargo::here().args(["bench", "--package", "sticky-benches", "--bench", name]))
}
