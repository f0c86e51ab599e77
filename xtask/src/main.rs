//! `cargo xtask`: what a developer of sticky does with one word. One file per subcommand.

mod bench;
mod build_ebpf;
mod cargo;
mod exec;
mod lint;
mod run;
mod setup;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Set up, build, run, test and check sticky.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct Options {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    Setup(setup::Options),
    BuildEbpf(build_ebpf::Options),
    Run(run::Options),
    Test(test::Options),
    Bench(bench::Options),
    Lint(lint::Options),
    Tidy(tidy::Options),
}

impl Task {
    fn run(&self) -> Result<()> {
        match self {
            Self::Setup(options) => setup::run(options),
            Self::BuildEbpf(options) => build_ebpf::run(options),
            Self::Run(options) => run::run(options),
            Self::Test(options) => test::run(options),
            Self::Bench(options) => bench::run(options),
            Self::Lint(options) => lint::run(options),
            Self::Tidy(options) => tidy::run(options),
        }
    }
}

fn main() -> ExitCode {
    match Options::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
