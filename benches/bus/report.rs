//! The medians, as a table and as JSON below `target/bench`.

use std::error::Error;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::round::Round;

/// What all rounds showed.
#[derive(Default)]
pub(crate) struct Report {
    embedded: Vec<Round>,
    redis: Vec<Round>,
}

#[derive(Serialize)]
struct Row {
    bus: &'static str,
    p50_microseconds: f64,
    p99_microseconds: f64,
    messages_per_second: f64,
}

impl Report {
    pub(crate) fn add(&mut self, bus: &str, round: Round) {
        if bus == "redis" { self.redis.push(round) } else { self.embedded.push(round) }
    }

    /// Prints the table and writes `target/bench/bus.md` and `bus.json`.
    pub(crate) fn write(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        let rows = [row("embedded", &self.embedded), row("redis", &self.redis)];
        let table = table(&rows);
        print!("{table}");
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("bus.md"), table)?;
        fs::write(directory.join("bus.json"), serde_json::to_string_pretty(&rows)?)?;
        Ok(())
    }
}

fn row(bus: &'static str, rounds: &[Round]) -> Row {
    let median_of = |value: fn(&Round) -> f64| median(rounds.iter().map(value).collect());
    Row {
        bus,
        p50_microseconds: median_of(|round| round.p50.as_secs_f64() * 1e6),
        p99_microseconds: median_of(|round| round.p99.as_secs_f64() * 1e6),
        messages_per_second: median_of(|round| round.per_second),
    }
}

fn table([embedded, redis]: &[Row; 2]) -> String {
    let line = |name: &str, unit: &str, value: fn(&Row) -> f64| {
        let (embedded, redis) = (value(embedded), value(redis));
        format!("| {name} | {embedded:.0} {unit} | {redis:.0} {unit} | {:.2} |\n", embedded / redis)
    };
    format!(
        "| 4 workers, 256 bytes | embedded bus | Redis | ratio |\n| --- | ---: | ---: | ---: |\n{}{}{}",
        line("latency p50", "µs", |row| row.p50_microseconds),
        line("latency p99", "µs", |row| row.p99_microseconds),
        line("messages per second", "", |row| row.messages_per_second),
    )
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
