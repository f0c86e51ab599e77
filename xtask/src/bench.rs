//! `cargo xtask bench`: how fast it is.

mod docs;

use std::ffi::OsString;

use anyhow::Result;
use clap::ValueEnum;

use crate::{build_ebpf, cargo, exec, setup};

/// Measure, beside what else there is; results also go to target/bench
///
///   cargo xtask bench hash [N]   the classic hashing benchmark, for N workers
///   cargo xtask bench steering   a connection per request: the modes and their peers
///   cargo xtask bench steady     requests on open connections: what a proxy costs
///   cargo xtask bench scale      the kernel program, with slots and open connections
///   cargo xtask bench bus        broadcasts between workers, embedded bus beside Redis
///   cargo xtask bench docs       puts what is in target/bench into the docs
///
/// Each has options of its own: `cargo xtask bench steering --help`.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// What is measured
    what: Bench,
    /// Options of that bench
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Bench {
    Hash,
    Steering,
    Steady,
    Scale,
    Bus,
    Docs,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let args = &options.args;
    match options.what {
        Bench::Hash => {
            setup::farmhash();
            bench("hash_time", &[])?;
            bench("hash", args)
        }
        Bench::Steering => {
            servers()?;
            bench("steering", args)
        }
        Bench::Steady => {
            servers()?;
            bench("steady", args)
        }
        Bench::Scale => {
            let tools = setup::ebpf()?;
            build_ebpf::build(&tools)?;
            build_ebpf::build_empty(&tools)?;
            bench("scale", args)
        }
        Bench::Bus => {
            setup::redis()?;
            bench("bus", args)
        }
        Bench::Docs => docs::update(),
    }
}

/// What the benches that start whole servers need.
fn servers() -> Result<()> {
    build_ebpf::build(&setup::ebpf()?)?;
    setup::proxies();
    exec::run(cargo::here().args([
        "build",
        "--release",
        "--package",
        "sticky-user",
        "--bin",
        "sticky",
    ]))
}

fn bench(name: &str, args: &[OsString]) -> Result<()> {
    let mut cargo = cargo::here();
    cargo.args(["bench", "--package", "sticky-benches", "--bench", name]);
    if !args.is_empty() {
        cargo.arg("--").args(args);
    }
    exec::run(&mut cargo)
}
