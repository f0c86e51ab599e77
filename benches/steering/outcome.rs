//! What a server showed.

use std::fmt;

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use sticky_benches::numbers::{Figure, percentile};
use sticky_benches::servers::Server;

use crate::load::Load;

/// In one round.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Round {
    per_second: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    server: f64,
    client: f64,
    wrong: usize,
    failed: usize,
    connections: usize,
}

impl Round {
    #[expect(clippy::cast_precision_loss, reason = "thousands of connections")]
    pub(crate) fn of(server: &Server, load: &Load<'_>) -> Result<Self> {
        let (server_before, client_before) = (server.run_time(), own_time());
        let mut tally = load.run()?;
        let client_time = own_time() - client_before;
        let server_time = server.run_time().saturating_sub(server_before).as_secs_f64();
        let connections = tally.latencies.len();
        tally.latencies.sort_by(f64::total_cmp);
        let microseconds = |part| percentile(&tally.latencies, part) * 1e6;
        Ok(Self {
            per_second: connections as f64 / tally.time.as_secs_f64(),
            p50: microseconds(0.5),
            p90: microseconds(0.9),
            p99: microseconds(0.99),
            server: server_time / connections as f64 * 1e6,
            client: client_time / connections as f64 * 1e6,
            wrong: tally.wrong,
            failed: tally.failed,
            connections,
        })
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { per_second, p50, p99, server, client, wrong, failed, .. } = self;
        write!(
            f,
            "{per_second:6.0}/s, p50 {p50:.0} µs, p99 {p99:.0} µs, CPU {server:.1} + {client:.1} µs, \
             {wrong} wrong, {failed} failed"
        )
    }
}

/// Over all rounds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) per_second: Figure,
    pub(crate) p50_microseconds: Figure,
    pub(crate) p90_microseconds: Figure,
    pub(crate) p99_microseconds: Figure,
    /// CPU time per connection, of all processes of the server.
    pub(crate) server_microseconds: Figure,
    /// CPU time per connection, of the load; on loopback the kernel's work for a SYN is there.
    pub(crate) client_microseconds: Figure,
    pub(crate) connections: usize,
    pub(crate) wrong: usize,
    pub(crate) failed: usize,
    rounds: Vec<Round>,
}

impl Outcome {
    pub(crate) fn of(name: String, rounds: &[Round]) -> Self {
        let figure = |value: fn(&Round) -> f64| Figure::of(rounds.iter().map(value));
        let sum = |value: fn(&Round) -> usize| rounds.iter().map(value).sum();
        Self {
            name,
            per_second: figure(|round| round.per_second),
            p50_microseconds: figure(|round| round.p50),
            p90_microseconds: figure(|round| round.p90),
            p99_microseconds: figure(|round| round.p99),
            server_microseconds: figure(|round| round.server),
            client_microseconds: figure(|round| round.client),
            connections: sum(|round| round.connections),
            wrong: sum(|round| round.wrong),
            failed: sum(|round| round.failed),
            rounds: rounds.to_vec(),
        }
    }
}

/// The time that this process has run so far, in seconds.
#[expect(clippy::cast_precision_loss, reason = "minutes in nanoseconds")]
fn own_time() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
