//! What a server showed.

use std::fmt;

use anyhow::Result;
use serde::Serialize;
use sticky_benches::sample::{Figures, Sample};
use sticky_benches::servers::Server;

use crate::load::Load;

/// In one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    sample: Sample,
    wrong: usize,
    failed: usize,
}

impl Round {
    pub(crate) fn of(server: &Server, load: &Load<'_>) -> Result<Self> {
        let (mut wrong, mut failed) = (0, 0);
        let sample = Sample::of(server, || {
            let tally = load.run()?;
            (wrong, failed) = (tally.wrong, tally.failed);
            Ok((tally.latencies, tally.time))
        })?;
        Ok(Self { sample, wrong, failed })
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sample, wrong, failed } = self;
        write!(f, "{sample}, {wrong} wrong, {failed} failed")
    }
}

/// Over all rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) figures: Figures,
    pub(crate) wrong: usize,
    pub(crate) failed: usize,
}

impl Outcome {
    pub(crate) fn of(name: String, rounds: &[Round]) -> Self {
        Self {
            name,
            figures: Figures::of(rounds.iter().map(|round| round.sample).collect()),
            wrong: rounds.iter().map(|round| round.wrong).sum(),
            failed: rounds.iter().map(|round| round.failed).sum(),
        }
    }
}
