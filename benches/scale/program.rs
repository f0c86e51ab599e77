//! What the kernel tells of the programs that this process has loaded.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context as _, Result};
use aya::programs::{ProgramInfo, loaded_programs};
use aya::sys::{Stats, enable_stats};
use serde::Serialize;
use sticky_benches::numbers::Figure;

/// A program's runs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    /// One run, with what counting it takes.
    pub(crate) nanoseconds: Figure,
    /// Of the program as it is after the verifier's rewriting.
    pub(crate) instructions: Option<u32>,
    /// That the verifier looked at, over all paths.
    pub(crate) verified: Option<u32>,
}

/// Reads the counters of a program.
pub(crate) struct Counter {
    id: u32,
    rounds: Vec<f64>,
    last: (u64, Duration),
}

impl Counter {
    pub(crate) fn new(id: u32) -> Result<Self> {
        let info = info(id)?;
        Ok(Self { id, rounds: Vec::new(), last: (info.run_count(), info.run_time()) })
    }

    /// Takes what was counted since the last time for a round.
    #[expect(clippy::cast_precision_loss, reason = "thousands of runs")]
    pub(crate) fn round(&mut self) -> Result<()> {
        let info = info(self.id)?;
        let now = (info.run_count(), info.run_time());
        let (runs, time) = (now.0 - self.last.0, now.1.saturating_sub(self.last.1));
        self.rounds.push(time.as_secs_f64() * 1e9 / runs as f64);
        self.last = now;
        Ok(())
    }

    pub(crate) fn run(self) -> Result<Run> {
        let info = info(self.id)?;
        Ok(Run {
            nanoseconds: Figure::of(self.rounds),
            instructions: info.size_translated().map(|bytes| bytes / INSTRUCTION),
            verified: info.verified_instruction_count(),
        })
    }
}

fn info(id: u32) -> Result<ProgramInfo> {
    let found = loaded_programs().filter_map(Result::ok).find(|program| program.id() == id);
    found.context("the program is no longer loaded")
}

/// Bytes.
const INSTRUCTION: u32 = 8;

/// Lets the kernel count runs and time of all programs, until this is dropped.
pub(crate) fn count_runs() -> Result<OwnedFd> {
    enable_stats(Stats::RunTime).context("cannot let the kernel count runs of programs")
}

/// Ids of the programs of which this process holds a descriptor.
pub(crate) fn held() -> Result<BTreeSet<u32>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc/self/fdinfo")? {
        // The descriptor by which the folder is read has gone by then.
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        let id = text.lines().find_map(|line| line.strip_prefix("prog_id:"));
        found.extend(id.and_then(|id| id.trim().parse::<u32>().ok()));
    }
    Ok(found)
}
