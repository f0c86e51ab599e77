//! `sticky upgrade-check`: whether this program can take over from a running supervisor. Hidden.

use std::ffi::OsString;
use std::io::{self, Read, Write};

use clap::Parser;

use super::{Cli, Command, Failure};
use crate::supervisor::manifest::Manifest;
use crate::supervisor::upgrade::ANSWER;

/// Tell whether this program could go on with these arguments and what is noted on standard input
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(super) struct Args {
    /// The arguments of the supervisor that runs
    #[arg(last = true)]
    arguments: Vec<OsString>,
}

/// The arguments are not those of a supervisor.
#[derive(Debug, thiserror::Error)]
#[error("these are not the arguments of `sticky run`")]
struct NotRun;

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        let name = OsString::from("sticky");
        let cli = Cli::try_parse_from(std::iter::once(name).chain(self.arguments));
        let Command::Run(run) = cli.map_err(|error| Failure::Usage(error.into()))?.command else {
            return Err(Failure::Usage(NotRun.into()));
        };
        let mut note = String::new();
        io::stdin().read_to_string(&mut note)?;
        Manifest::read(&note)?.fits(&run.into_settings()?)?;
        writeln!(io::stdout(), "{ANSWER}{}", env!("CARGO_PKG_VERSION"))?;
        Ok(())
    }
}
