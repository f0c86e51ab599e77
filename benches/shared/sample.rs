//! What a server shows under load: how many, how long, at what cost.

use std::fmt;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::numbers::{Figure, percentile};
use crate::processes;
use crate::servers::{Kind, Server};
use crate::table::Table;

/// In one round.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sample {
    count: usize,
    per_second: f64,
    p50_microseconds: f64,
    p90_microseconds: f64,
    p99_microseconds: f64,
    /// CPU time of all processes of the server, for each.
    server_microseconds: f64,
    /// CPU time of this process, for each. On loopback the kernel's work for a SYN is there.
    client_microseconds: f64,
}

impl Sample {
    /// Measures `run`, which gives the latencies in seconds and how long it took.
    #[expect(clippy::cast_precision_loss, reason = "thousands of requests")]
    pub fn of(server: &Server, run: impl FnOnce() -> Result<(Vec<f64>, Duration)>) -> Result<Self> {
        let (server_before, client_before) = (server.run_time(), processes::own_run_time());
        let (mut latencies, time) = run()?;
        let client = processes::own_run_time().saturating_sub(client_before);
        let server = server.run_time().saturating_sub(server_before);
        latencies.sort_by(f64::total_cmp);
        let count = latencies.len();
        let each = |time: Duration| time.as_secs_f64() / count as f64 * 1e6;
        let at = |part| percentile(&latencies, part) * 1e6;
        Ok(Self {
            count,
            per_second: count as f64 / time.as_secs_f64(),
            p50_microseconds: at(0.5),
            p90_microseconds: at(0.9),
            p99_microseconds: at(0.99),
            server_microseconds: each(server),
            client_microseconds: each(client),
        })
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { per_second, p50_microseconds, p99_microseconds, .. } = self;
        let (server, client) = (self.server_microseconds, self.client_microseconds);
        write!(
            f,
            "{per_second:6.0}/s, p50 {p50_microseconds:.0} µs, p99 {p99_microseconds:.0} µs, \
             CPU {server:.1} + {client:.1} µs"
        )
    }
}

/// Over all rounds.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// All that was done.
    pub count: usize,
    /// How many in a second.
    pub per_second: Figure,
    /// Latency.
    pub p50_microseconds: Figure,
    /// Latency.
    pub p90_microseconds: Figure,
    /// Latency.
    pub p99_microseconds: Figure,
    /// CPU time of all processes of the server, for each.
    pub server_microseconds: Figure,
    /// CPU time of this process, for each.
    pub client_microseconds: Figure,
    rounds: Vec<Sample>,
}

/// One of the figures.
pub type Value = fn(&Figures) -> Figure;

const COLUMNS: [(&str, Value); 5] = [
    ("p50, µs", |figures| figures.p50_microseconds),
    ("p90, µs", |figures| figures.p90_microseconds),
    ("p99, µs", |figures| figures.p99_microseconds),
    ("server CPU, µs", |figures| figures.server_microseconds),
    ("client CPU, µs", |figures| figures.client_microseconds),
];

impl Figures {
    /// Of the samples of all rounds.
    pub fn of(rounds: Vec<Sample>) -> Self {
        let figure = |value: fn(&Sample) -> f64| Figure::of(rounds.iter().map(value));
        Self {
            count: rounds.iter().map(|round| round.count).sum(),
            per_second: figure(|round| round.per_second),
            p50_microseconds: figure(|round| round.p50_microseconds),
            p90_microseconds: figure(|round| round.p90_microseconds),
            p99_microseconds: figure(|round| round.p99_microseconds),
            server_microseconds: figure(|round| round.server_microseconds),
            client_microseconds: figure(|round| round.client_microseconds),
            rounds,
        }
    }

    /// The heads of a table: `first`, what is counted per second, and the figures.
    pub fn heads(first: &str, counted: &str) -> Vec<String> {
        let counted = format!("{counted}/s");
        let others = COLUMNS.iter().map(|(name, _)| (*name).to_owned());
        [first.to_owned(), counted].into_iter().chain(others).collect()
    }

    /// A row of that table.
    pub fn cells(&self, name: &str) -> Vec<String> {
        let figures = COLUMNS.iter().map(|(_, value)| value(self).to_string());
        [name.to_owned(), self.per_second.to_string()].into_iter().chain(figures).collect()
    }

    /// Medians beside those of the first.
    pub fn ratios(counted: &str, all: &[(String, &Self)]) -> Table {
        let Some(((first, limit), others)) = all.split_first() else {
            return Table::new(["ratio"]);
        };
        let heads = Self::heads(&format!("ratio to {first}"), counted);
        let mut table = Table::new(heads.iter().map(|head| head.trim_end_matches(", µs")));
        for (name, figures) in others {
            let ratio =
                |value: Value| format!("{:.3}", value(figures).median / value(limit).median);
            let columns = COLUMNS.iter().map(|(_, value)| ratio(*value));
            let per_second = ratio(|figures| figures.per_second);
            table.row([name.clone(), per_second].into_iter().chain(columns));
        }
        table
    }

    /// Ratios of each round of one to the same round of another, where both were measured: what both met
    /// alike does not count.
    pub fn round_by_round(
        counted: &str,
        all: &[(String, &Self)],
        one: Kind,
        another: Kind,
    ) -> Option<Table> {
        let of = |kind: Kind| all.iter().find(|(name, _)| *name == kind.to_string());
        let (rounds, beside) = (&of(one)?.1.rounds, &of(another)?.1.rounds);
        let ratio = |value: fn(&Sample) -> f64| {
            let ratios = rounds.iter().zip(beside).map(|(one, other)| value(one) / value(other));
            let Figure { median, low, high } = Figure::of(ratios);
            format!("{median:.3} ({low:.3}–{high:.3})")
        };
        let per_second = format!("{counted}/s");
        let heads =
            [format!("ratio to {another}, round by round"), per_second, "server CPU".into()];
        let mut table = Table::new(heads);
        let (per_second, server) =
            (|one: &Sample| one.per_second, |one: &Sample| one.server_microseconds);
        table.row([one.to_string(), ratio(per_second), ratio(server)]);
        Some(table)
    }
}
