//! Runs of the kernel program, as the kernel counts them.

use anyhow::{Context as _, Result};
use aya::programs::ProgramInfo;
use aya::sys::{Stats, enable_stats};
use serde::Serialize;
use sticky_benches::interleave;
use sticky_benches::numbers::Figure;

use crate::connections::Connections;
use crate::loaded::info;
use crate::options::Options;
use crate::port::{Choice, Port};

/// Runs of one program.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Runs {
    pub(crate) choice: Choice,
    pub(crate) slots: u32,
    /// One run, with what counting it takes.
    pub(crate) nanoseconds: Figure,
    /// Of the program as it is after the verifier's rewriting.
    pub(crate) instructions: Option<u32>,
    /// That the verifier looked at, over all paths.
    pub(crate) verified: Option<u32>,
}

/// Measures runs of all programs in turns. Each is loaded anew for each round, since where it and its
/// maps happen to lie in memory makes a difference too.
pub(crate) fn measure(slots: u32, options: &Options) -> Result<Vec<Runs>> {
    let mut rounds = Choice::COUNTED.map(|choice| (choice, Vec::new(), None));
    let counting = enable_stats(Stats::RunTime);
    let counting = counting.context("cannot let the kernel count runs of programs")?;
    for round in 0..options.rounds {
        for at in interleave::order(round, rounds.len()) {
            let Some((choice, rounds, known)) = rounds.get_mut(at) else { continue };
            let port = Port::open(*choice, slots)?;
            let id = port.program.context("the program is not among the files of this process")?;
            let mut connections = Connections::with_open(&port, 0)?;
            // The first find nothing in the processor's caches.
            connections.microseconds(options.connections / 4)?;
            let before = info(id)?;
            connections.microseconds(options.connections)?;
            let after = info(id)?;
            rounds.push(nanoseconds(&before, &after));
            *known = Some(after);
        }
    }
    drop(counting);
    let runs = rounds.into_iter().map(|(choice, rounds, known)| Runs {
        choice,
        slots,
        nanoseconds: Figure::of(rounds),
        instructions: known
            .as_ref()
            .and_then(ProgramInfo::size_translated)
            .map(|bytes| bytes / INSTRUCTION),
        verified: known.as_ref().and_then(ProgramInfo::verified_instruction_count),
    });
    Ok(runs.collect())
}

#[expect(clippy::cast_precision_loss, reason = "thousands of runs")]
fn nanoseconds(before: &ProgramInfo, after: &ProgramInfo) -> f64 {
    let time = after.run_time().saturating_sub(before.run_time());
    time.as_secs_f64() * 1e9 / (after.run_count() - before.run_count()) as f64
}

/// Bytes.
const INSTRUCTION: u32 = 8;
