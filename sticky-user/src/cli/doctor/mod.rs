//! `sticky doctor`: what works on this host, and what to do about the rest.

mod checks;

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;

use super::redis::RedisArgs;
use super::{Failure, block_on};
use crate::steering::Mode;

/// Tell what works on this host, found by trying it, and what to do about the rest
///
/// Exit code 1 when no mode works, or Redis was named and does not.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    redis: RedisArgs,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Yes,
    No,
    /// It could not be found out.
    Unknown,
}

/// One question and its answer.
#[derive(Debug, Serialize)]
struct Check {
    name: String,
    answer: Answer,
    /// What was found; where the answer is not yes, also what to do.
    detail: String,
}

/// All of it.
#[derive(Debug, Serialize)]
struct Report {
    kernel: String,
    /// The mode that `sticky run --mode auto` takes here.
    auto: Option<Mode>,
    checks: Vec<Check>,
}

/// The host cannot run sticky as asked.
#[derive(Debug, thiserror::Error)]
#[error("this host is not ready; what is wrong and what to do about it is above")]
struct NotReady;

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        let redis = self.redis.urls()?;
        let modes: Vec<(Mode, Check)> =
            Mode::ALL.into_iter().map(|mode| (mode, checks::mode(mode))).collect();
        let works = |check: &Check| check.answer == Answer::Yes;
        let auto = modes.iter().find(|(_, check)| works(check)).map(|(mode, _)| *mode);
        let mut checks: Vec<Check> = modes.into_iter().map(|(_, check)| check).collect();
        checks.extend(checks::host());
        let mut ready = auto.is_some();
        if let Some(redis) = &redis {
            let check = block_on(checks::redis(redis))?;
            ready &= works(&check);
            checks.push(check);
        }
        let report = Report { kernel: checks::kernel(), auto, checks };
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
        } else {
            report.print(&mut out)?;
        }
        if ready { Ok(()) } else { Err(NotReady.into()) }
    }
}

impl Report {
    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}\n", self.kernel)?;
        for Check { name, answer, detail } in &self.checks {
            writeln!(out, "{answer:<8} {name:<18} {detail}")?;
        }
        match self.auto {
            Some(mode) => writeln!(out, "\n`sticky run` takes mode {mode} here."),
            None => writeln!(out, "\n`sticky run` cannot work here."),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        })
    }
}
