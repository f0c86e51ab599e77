//! The outcomes as tables and as a picture.

use anyhow::Result;
use sticky_benches::numbers::{Figure, short};
use sticky_benches::picture::{Panel, Picture};
use sticky_benches::report::Report;
use sticky_benches::table::Table;

use crate::Options;
use crate::outcome::Outcome;

type Value = fn(&Outcome) -> Figure;

const FIGURES: [(&str, Value); 6] = [
    ("connections/s", |outcome| outcome.per_second),
    ("p50, µs", |outcome| outcome.p50_microseconds),
    ("p90, µs", |outcome| outcome.p90_microseconds),
    ("p99, µs", |outcome| outcome.p99_microseconds),
    ("server CPU, µs", |outcome| outcome.server_microseconds),
    ("client CPU, µs", |outcome| outcome.client_microseconds),
];

pub(crate) fn report(report: &mut Report, outcomes: &[Outcome], options: &Options) -> Result<()> {
    let Options { rounds, seconds, workers, connections, sources, .. } = options;
    report.say(&format!(
        "{workers} workers, {connections} connections at a time from {sources} addresses, {rounds} \
         rounds of {seconds} s each; medians (quartiles)."
    ));
    report.say(&figures(outcomes));
    report.say(&ratios(outcomes));
    report.data("servers", &outcomes)?;
    report.picture(picture(outcomes));
    Ok(())
}

fn figures(outcomes: &[Outcome]) -> Table {
    let heads = FIGURES.iter().map(|(name, _)| *name);
    let mut table = Table::new(["server"].into_iter().chain(heads).chain(["wrong slot", "failed"]));
    for outcome in outcomes {
        let figures = FIGURES.iter().map(|(_, value)| value(outcome).to_string());
        let (wrong, failed) = (wrong(outcome), outcome.failed.to_string());
        table.row([outcome.name.clone()].into_iter().chain(figures).chain([wrong, failed]));
    }
    table
}

#[expect(clippy::cast_precision_loss, reason = "millions of connections")]
fn wrong(outcome: &Outcome) -> String {
    match outcome.wrong {
        0 => format!("0 of {}", outcome.connections),
        wrong => format!("{} %", short(wrong as f64 / outcome.connections as f64 * 100.0)),
    }
}

/// Each median beside that of the limit, which is the first.
fn ratios(outcomes: &[Outcome]) -> Table {
    let heads = FIGURES.iter().map(|(name, _)| name.split(',').next().unwrap_or_default());
    let mut table = Table::new(["ratio to the limit"].into_iter().chain(heads));
    let Some((limit, others)) = outcomes.split_first() else {
        return table;
    };
    for outcome in others {
        let ratio = |(_, value): &(&str, Value)| {
            format!("{:.3}", value(outcome).median / value(limit).median)
        };
        table.row([outcome.name.clone()].into_iter().chain(FIGURES.iter().map(ratio)));
    }
    table
}

fn picture(outcomes: &[Outcome]) -> Picture {
    let (in_node, others): (Vec<&Outcome>, Vec<&Outcome>) =
        outcomes.iter().partition(|outcome| outcome.name.starts_with("Node"));
    let connections = "Connections per second";
    let cpu = "Server's CPU time per connection";
    let p99 = "Connect, request and answer: latency p99";
    let (more, less) = ("more is better", "µs, less is better");
    let panel = |title: &str, unit: &str, of: &[&Outcome], value: Value| {
        let mut panel = Panel::new(title, unit);
        for outcome in of {
            panel.row(outcome.name.clone(), vec![Some(value(outcome))]);
        }
        panel
    };
    let picture = Picture::default()
        .with(panel(connections, more, &others, |outcome| outcome.per_second))
        .with(panel(cpu, less, &others, |outcome| outcome.server_microseconds))
        .with(panel(p99, less, &others, |outcome| outcome.p99_microseconds));
    if in_node.is_empty() {
        return picture;
    }
    picture
        .with(panel("Connections per second, workers in Node.js", more, &in_node, |outcome| {
            outcome.per_second
        }))
        .with(panel("Server's CPU time, workers in Node.js", less, &in_node, |outcome| {
            outcome.server_microseconds
        }))
}
