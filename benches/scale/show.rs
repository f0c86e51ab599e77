//! The costs as tables and as a picture.

use anyhow::Result;
use sticky_benches::numbers::short;
use sticky_benches::picture::{Panel, Picture};
use sticky_benches::report::Report;
use sticky_benches::table::Table;

use crate::cost::{Cost, SLOTS};
use crate::options::Options;
use crate::port::Choice;
use crate::runs::Runs;

pub(crate) fn report(
    report: &mut Report,
    by_slots: &[Cost],
    by_open: &[Cost],
    runs: &[Runs],
    options: &Options,
) -> Result<()> {
    let Options { rounds, connections, .. } = options;
    report.say(&format!(
        "Connections made, accepted and closed by one thread, {rounds} rounds of {connections} for \
         each; CPU time per connection in µs, medians (quartiles)."
    ));
    report.say(&costs(by_slots, "slots"));
    report.say(&costs(by_open, &format!("open connections, {SLOTS} slots")));
    report.say(&by_program(runs));
    report.data("by_slots", &by_slots)?;
    report.data("by_open", &by_open)?;
    report.data("runs", &runs)?;
    let slots = "CPU time of a connection by number of slots";
    let open = "CPU time of a connection by number of open connections";
    report.picture(
        Picture::default()
            .with(panel(slots, by_slots))
            .with(panel(open, by_open))
            .with(times(runs)),
    );
    Ok(())
}

/// The costs of each number, in the order of the choices.
fn by_number(costs: &[Cost]) -> impl Iterator<Item = &[Cost]> {
    costs.chunks(Choice::CONNECTED.len())
}

fn number(row: &[Cost]) -> String {
    row.first().map_or_else(String::new, |cost| cost.number.to_string())
}

fn costs(costs: &[Cost], what: &str) -> Table {
    let heads = Choice::CONNECTED.map(|choice| choice.to_string());
    let mut table = Table::new([what.to_owned()].into_iter().chain(heads));
    for row in by_number(costs) {
        let figures = row.iter().map(|cost| cost.microseconds.to_string());
        table.row([number(row)].into_iter().chain(figures));
    }
    table
}

/// One run of each program, as the kernel counts it.
fn by_program(runs: &[Runs]) -> Table {
    let names = Choice::COUNTED.map(|choice| format!("{choice}, ns a run"));
    let others = ["over empty, ns", "over least, ns", "instructions", "verifier looked at"];
    let mut table = Table::new(
        ["slots".to_owned()].into_iter().chain(names).chain(others.map(ToOwned::to_owned)),
    );
    for row in runs.chunks(Choice::COUNTED.len()) {
        let [empty, least, ebpf] = row else { continue };
        let over = |other: &Runs| short(ebpf.nanoseconds.median - other.nanoseconds.median);
        let count =
            |count: Option<u32>| count.map_or_else(|| "–".into(), |count| count.to_string());
        table.row([
            ebpf.slots.to_string(),
            empty.nanoseconds.to_string(),
            least.nanoseconds.to_string(),
            ebpf.nanoseconds.to_string(),
            over(empty),
            over(least),
            count(ebpf.instructions),
            count(ebpf.verified),
        ]);
    }
    table
}

fn panel(title: &str, costs: &[Cost]) -> Panel {
    let names = Choice::CONNECTED.map(|choice| choice.to_string());
    let mut panel = Panel::new(title, "µs to connect, accept and close").series(names);
    for row in by_number(costs) {
        panel.row(number(row), row.iter().map(|cost| Some(cost.microseconds)).collect());
    }
    panel
}

fn times(runs: &[Runs]) -> Panel {
    let names = Choice::COUNTED.map(|choice| choice.to_string());
    let title = "One run of the kernel program by number of slots";
    let mut panel = Panel::new(title, "ns").series(names);
    for row in runs.chunks(Choice::COUNTED.len()) {
        let slots = row.first().map_or_else(String::new, |run| run.slots.to_string());
        panel.row(slots, row.iter().map(|run| Some(run.nanoseconds)).collect());
    }
    panel
}
