//! The outcomes as tables and as a picture.

use anyhow::Result;
use sticky_benches::numbers::short;
use sticky_benches::picture::{Panel, Picture};
use sticky_benches::report::Report;
use sticky_benches::sample::{Figures, Value};
use sticky_benches::servers::Kind;
use sticky_benches::table::Table;

use crate::options::Options;
use crate::outcome::Outcome;

/// What is counted.
const COUNTED: &str = "connections";

pub(crate) fn report(report: &mut Report, outcomes: &[Outcome], options: &Options) -> Result<()> {
    let Options { rounds, seconds, workers, connections, sources, .. } = options;
    report.say(&format!(
        "{workers} workers, {connections} connections at a time from {sources} addresses, {rounds} \
         rounds of {seconds} s each; medians (quartiles)."
    ));
    report.say(&figures(outcomes));
    let all: Vec<_> = outcomes.iter().map(|one| (one.name.clone(), &one.figures)).collect();
    report.say(&Figures::ratios(COUNTED, &all));
    if let Some(table) = Figures::round_by_round(COUNTED, &all, Kind::Library, Kind::Stock) {
        report.say(&table);
    }
    report.data("servers", &outcomes)?;
    report.picture(picture(outcomes));
    Ok(())
}

fn figures(outcomes: &[Outcome]) -> Table {
    let extra = ["wrong slot", "failed"].map(String::from);
    let mut table = Table::new(Figures::heads("server", COUNTED).into_iter().chain(extra));
    for outcome in outcomes {
        let extra = [wrong(outcome), outcome.failed.to_string()];
        table.row(outcome.figures.cells(&outcome.name).into_iter().chain(extra));
    }
    table
}

#[expect(clippy::cast_precision_loss, reason = "millions of connections")]
fn wrong(outcome: &Outcome) -> String {
    match outcome.wrong {
        0 => format!("0 of {}", outcome.figures.count),
        wrong => format!("{} %", short(wrong as f64 / outcome.figures.count as f64 * 100.0)),
    }
}

fn picture(outcomes: &[Outcome]) -> Picture {
    let (in_node, others): (Vec<&Outcome>, Vec<&Outcome>) =
        outcomes.iter().partition(|figures| figures.name.starts_with("Node"));
    let connections = "Connections per second";
    let cpu = "Server's CPU time per connection";
    let p99 = "Connect, request and answer: latency p99";
    let (more, less) = ("more is better", "µs, less is better");
    let panel = |title: &str, unit: &str, of: &[&Outcome], value: Value| {
        let mut panel = Panel::new(title, unit);
        for outcome in of {
            panel.row(outcome.name.clone(), vec![Some(value(&outcome.figures))]);
        }
        panel
    };
    let picture = Picture::default()
        .with(panel(connections, more, &others, |figures| figures.per_second))
        .with(panel(cpu, less, &others, |figures| figures.server_microseconds))
        .with(panel(p99, less, &others, |figures| figures.p99_microseconds));
    if in_node.is_empty() {
        return picture;
    }
    picture
        .with(panel("Connections per second, workers in Node.js", more, &in_node, |figures| {
            figures.per_second
        }))
        .with(panel("Server's CPU time, workers in Node.js", less, &in_node, |figures| {
            figures.server_microseconds
        }))
}
