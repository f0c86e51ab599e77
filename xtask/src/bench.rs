//! `cargo xtask bench`: how fast it is.

mod docs;

use std::ffi::OsString;

use anyhow::Result;
use clap::Subcommand;

use crate::{build_ebpf, cargo, exec, setup};

/// Measure, beside what else there is; results also go to target/bench
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// The classic hashing benchmark; the number of workers may follow
    Hash(Rest),
    /// A connection per request: the modes and their peers
    Steering(Rest),
    /// Requests on open connections: what a proxy costs
    Steady(Rest),
    /// The kernel program, with slots and open connections
    Scale(Rest),
    /// Servers that start and servers that rest: time to READY, memory, wake-ups
    Rest(Rest),
    /// Connections that are idle: memory of each, and the CPU time of answering pings
    Hold(Rest),
    /// Slow and hostile clients: what they cost their neighbours, and when they are gone
    Slow(Rest),
    /// Broadcasts between workers: embedded bus beside Redis
    Bus(Rest),
    /// Put what is in target/bench into the docs
    Docs,
}

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
struct Rest {
    /// Options of that bench; --help tells them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    match &options.what {
        Bench::Hash(rest) => {
            setup::javascript();
            bench("hash_time", &[])?;
            bench("hash", &rest.args)
        }
        Bench::Steering(rest) => {
            servers()?;
            bench("steering", &rest.args)
        }
        Bench::Steady(rest) => {
            servers()?;
            bench("steady", &rest.args)
        }
        Bench::Scale(rest) => {
            let tools = setup::ebpf()?;
            build_ebpf::build(&tools)?;
            build_ebpf::build_reference(&tools)?;
            bench("scale", &rest.args)
        }
        Bench::Rest(rest) => {
            sticky()?;
            bench("rest", &rest.args)
        }
        Bench::Hold(rest) => {
            setup::javascript();
            sticky()?;
            bench("hold", &rest.args)
        }
        Bench::Slow(rest) => {
            sticky()?;
            bench("slow", &rest.args)
        }
        Bench::Bus(rest) => {
            setup::redis()?;
            bench("bus", &rest.args)
        }
        Bench::Docs => docs::update(),
    }
}

/// What the benches that start whole servers need: sticky's peers too.
fn servers() -> Result<()> {
    setup::proxies();
    sticky()
}

fn sticky() -> Result<()> {
    build_ebpf::build(&setup::ebpf()?)?;
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
