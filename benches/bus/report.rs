//! The figures of both buses, side by side.

use serde::Serialize;
use sticky_benches::numbers::Figure;
use sticky_benches::table::Table;

use crate::round::Round;

/// One bus, over all rounds.
#[derive(Serialize)]
pub(crate) struct Row {
    bus: &'static str,
    p50_microseconds: Figure,
    p99_microseconds: Figure,
    messages_per_second: Figure,
}

impl Row {
    pub(crate) fn of(bus: &'static str, rounds: &[Round]) -> Self {
        let figure = |value: fn(&Round) -> f64| Figure::of(rounds.iter().map(value));
        Self {
            bus,
            p50_microseconds: figure(|round| round.p50.as_secs_f64() * 1e6),
            p99_microseconds: figure(|round| round.p99.as_secs_f64() * 1e6),
            messages_per_second: figure(|round| round.per_second),
        }
    }
}

pub(crate) fn table([first, second]: &[Row; 2]) -> Table {
    let mut table = Table::new(["4 workers, 256 bytes", first.bus, second.bus, "ratio"]);
    let mut line = |name: &str, value: fn(&Row) -> Figure| {
        let (first, second) = (value(first), value(second));
        let ratio = format!("{:.2}", first.median / second.median);
        table.row([name.into(), first.to_string(), second.to_string(), ratio]);
    };
    line("latency p50, µs", |row| row.p50_microseconds);
    line("latency p99, µs", |row| row.p99_microseconds);
    line("messages per second", |row| row.messages_per_second);
    table
}
