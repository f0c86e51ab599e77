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
mod request;
mod run;
mod status;
mod stop;
mod target;
mod upgrade;
mod upgrade_check;
mod values;
mod which;

use std::error::Error;
use std::fmt::Write;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use nix::sys::signal::SigSet;

use crate::{causes, output};

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

/// How long the last lines of output may take to be written: a reader that does not read holds up nothing.
const LAST_WORDS: Duration = Duration::from_secs(1);

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
    let code = match result {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of our output, such as `head`, has seen enough.
        Err(Failure::Failed(error)) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(Failure::Failed(error)) => {
            report(&*error);
            ExitCode::FAILURE
        }
        Err(Failure::Usage(error)) => {
            report(&*error);
            ExitCode::from(2)
        }
    };
    output::flush(LAST_WORDS);
    code
}

/// The error, and below it what caused it.
fn report(error: &(dyn Error + 'static)) {
    let mut text = format!("error: {error}\n");
    for cause in causes::chain(error).skip(1) {
        // Into a string, which takes all.
        let _ = writeln!(text, "  because: {cause}");
    }
    output::complain(&text);
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    let io_error = error.downcast_ref::<io::Error>();
    io_error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// A runtime with one thread: neither supervisor nor worker has work for two.
fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    // Signals are for the one thread: in another, for blocking calls, a supervisor's would kill it.
    runtime.on_thread_start(|| {
        let _ = SigSet::all().thread_block();
    });
    Ok(runtime.enable_all().build()?.block_on(future))
}
