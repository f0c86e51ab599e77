//! From `sticky run` to the line that says that all workers are ready.

use std::time::Instant;

use anyhow::{Context as _, Result};
use harness::Sticky;
use serde::Serialize;
use sticky_benches::interleave;
use sticky_benches::numbers::Figure;

use crate::options::{MODES, Options};

/// Times of one number of workers.
#[derive(Debug, Serialize)]
pub(crate) struct Start {
    pub(crate) workers: u32,
    /// In the order of [`MODES`].
    pub(crate) milliseconds: Vec<Figure>,
}

pub(crate) fn measure(options: &Options) -> Result<Vec<Start>> {
    options.workers.iter().map(|&workers| start(workers, options.rounds)).collect()
}

fn start(workers: u32, rounds: usize) -> Result<Start> {
    eprintln!("starting {workers} workers");
    let mut times = MODES.map(|mode| (mode, Vec::new()));
    for round in 0..rounds {
        for at in interleave::order(round, times.len()) {
            let Some((mode, times)) = times.get_mut(at) else { continue };
            let start = Instant::now();
            let sticky = Sticky::new(*mode, workers).spawn();
            let said = sticky
                .stdout
                .wait_for("listening on", |line| line.starts_with("listening on ").then_some(()));
            let time = start.elapsed();
            said.context("sticky ended before it served")?;
            sticky.announced().stop();
            times.push(time.as_secs_f64() * 1e3);
        }
    }
    Ok(Start { workers, milliseconds: times.map(|(_, times)| Figure::of(times)).into() })
}
