//! What a person types and sees.

#![allow(clippy::doc_markdown, reason = "the comments of options are help texts, without markup")]

mod app;
mod doctor;
mod guard;
mod keep;
mod launch;
mod log;
mod redis;
mod reload;
mod run;
mod status;
mod stop;
mod target;
mod upgrade;
mod upgrade_check;
mod values;
mod which;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::causes;

/// N worker processes behind one TCP port; the kernel brings every client to the same worker.
#[derive(Debug, Parser)]
#[command(name = "sticky", version, about, long_about = None, propagate_version = true)]
#[command(
    after_help = "Options that describe a server have environment variables, named in their help.\n\
    Exit codes: 0 fine, 1 failed, 2 wrong usage."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Status(status::Args),
    Which(which::Args),
    Doctor(doctor::Args),
    Reload(reload::Args),
    Upgrade(upgrade::Args),
    Stop(stop::Args),
    Guard(guard::Args),
    Launch(launch::Args),
    App(app::Args),
    Keep(keep::Args),
    UpgradeCheck(upgrade_check::Args),
}

/// Why a command failed.
#[derive(Debug)]
enum Failure {
    /// What was typed makes no sense: exit code 2.
    Usage(Box<dyn Error>),
    /// It could not be done: exit code 1.
    Failed(Box<dyn Error>),
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Runs the command line and tells the exit code. Call it once, from `main`.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => args.run(),
        Command::Status(args) => args.run(),
        Command::Which(args) => args.run(),
        Command::Doctor(args) => args.run(),
        Command::Reload(args) => args.run(),
        Command::Upgrade(args) => args.run(),
        Command::Stop(args) => args.run(),
        Command::Guard(args) => args.run(),
        Command::Launch(args) => args.run(),
        Command::App(args) => args.run(),
        Command::Keep(args) => args.run(),
        Command::UpgradeCheck(args) => args.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output, such as `head`, has seen enough.
        Err(Failure::Failed(error)) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(Failure::Failed(error)) => {
            report(&*error);
            ExitCode::FAILURE
        }
        Err(Failure::Usage(error)) => {
            report(&*error);
            ExitCode::from(2)
        }
    }
}

/// The error, and below it what caused it.
fn report(error: &(dyn Error + 'static)) {
    let mut out = io::stderr().lock();
    // The exit code tells too, where nobody reads this.
    let _ = writeln!(out, "error: {error}");
    for cause in causes::chain(error).skip(1) {
        let _ = writeln!(out, "  because: {cause}");
    }
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    let io_error = error.downcast_ref::<io::Error>();
    io_error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// A runtime with one thread: neither supervisor nor worker has work for two.
fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(future))
}
