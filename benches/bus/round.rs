//! One round on one bus.

use std::error::Error;
use std::time::{Duration, Instant};

use crate::workers::Workers;

/// Messages whose latency is measured, one at a time.
const ONE_BY_ONE: usize = 2_000;
/// Messages of the rate, and how many of them may be on their way at once.
const IN_A_ROW: u32 = 20_000;
const WINDOW: u32 = 256;
/// A chat message with its envelope, in bytes.
const SIZE: usize = 256;

/// What one round showed.
pub(crate) struct Round {
    /// From publishing to the last worker's receiving, half and 99 of 100 messages at most.
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Messages a second, each received by all workers.
    pub(crate) per_second: f64,
}

impl Round {
    pub(crate) fn run(workers: &Workers) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut latencies = Vec::with_capacity(ONE_BY_ONE);
        for _ in 0..ONE_BY_ONE {
            let start = Instant::now();
            workers.publish(vec![0; SIZE])?;
            let mut last = start;
            for _ in 0..workers.receivers {
                last = last.max(workers.received()?);
            }
            latencies.push(last - start);
        }
        latencies.sort_unstable();

        let start = Instant::now();
        let mut received = 0;
        for sent in 0..IN_A_ROW {
            while sent * workers.receivers >= received + WINDOW * workers.receivers {
                workers.received()?;
                received += 1;
            }
            workers.publish(vec![0; SIZE])?;
        }
        while received < IN_A_ROW * workers.receivers {
            workers.received()?;
            received += 1;
        }
        let per_second = f64::from(IN_A_ROW) / start.elapsed().as_secs_f64();
        let at = |percent: usize| latencies.get(ONE_BY_ONE * percent / 100).copied();
        Ok(Self { p50: at(50).unwrap_or_default(), p99: at(99).unwrap_or_default(), per_second })
    }
}
