//! The costs as tables and as a picture.

use anyhow::Result;
use sticky_benches::numbers::short;
use sticky_benches::picture::{Panel, Picture};
use sticky_benches::report::Report;
use sticky_benches::table::Table;

use crate::port::Choice;
use crate::{Cost, Options, SLOTS};

pub(crate) fn report(
    report: &mut Report,
    by_slots: &[Cost],
    by_open: &[Cost],
    options: &Options,
) -> Result<()> {
    let Options { rounds, connections, .. } = options;
    report.say(&format!(
        "Connections made, accepted and closed by one thread, {rounds} rounds of {connections} for \
         each; CPU time per connection in µs, medians (quartiles)."
    ));
    report.say(&costs(by_slots, "slots"));
    report.say(&costs(by_open, &format!("open connections, {SLOTS} slots")));
    report.say(&runs(by_slots));
    report.data("by_slots", &by_slots)?;
    report.data("by_open", &by_open)?;
    let slots = "CPU time of a connection by number of slots";
    let open = "CPU time of a connection by number of open connections";
    report.picture(
        Picture::default()
            .with(panel(slots, by_slots))
            .with(panel(open, by_open))
            .with(times(by_slots)),
    );
    Ok(())
}

/// The costs of each number, in the order of the choices.
fn by_number(costs: &[Cost]) -> impl Iterator<Item = &[Cost]> {
    costs.chunks(Choice::ALL.len())
}

fn number(row: &[Cost]) -> String {
    row.first().map_or_else(String::new, |cost| cost.number.to_string())
}

fn costs(costs: &[Cost], what: &str) -> Table {
    let heads = Choice::ALL.map(|choice| choice.to_string());
    let mut table = Table::new([what.to_owned()].into_iter().chain(heads));
    for row in by_number(costs) {
        let figures = row.iter().map(|cost| cost.microseconds.to_string());
        table.row([number(row)].into_iter().chain(figures));
    }
    table
}

/// One run of the programs that the kernel counts.
fn runs(costs: &[Cost]) -> Table {
    let mut table = Table::new([
        "slots",
        "empty program, ns a run",
        "ebpf, ns a run",
        "difference, ns",
        "instructions, empty",
        "instructions, ebpf",
        "verifier looked at",
    ]);
    for row in by_number(costs) {
        let run = |choice| row.iter().find(|cost| cost.choice == choice)?.run.as_ref();
        let (Some(empty), Some(ebpf)) = (run(Choice::Empty), run(Choice::Ebpf)) else { continue };
        let count =
            |count: Option<u32>| count.map_or_else(|| "–".into(), |count| count.to_string());
        table.row([
            number(row),
            empty.nanoseconds.to_string(),
            ebpf.nanoseconds.to_string(),
            short(ebpf.nanoseconds.median - empty.nanoseconds.median),
            count(empty.instructions),
            count(ebpf.instructions),
            count(ebpf.verified),
        ]);
    }
    table
}

fn panel(title: &str, costs: &[Cost]) -> Panel {
    let names = Choice::ALL.map(|choice| choice.to_string());
    let mut panel = Panel::new(title, "µs to connect, accept and close").series(names);
    for row in by_number(costs) {
        panel.row(number(row), row.iter().map(|cost| Some(cost.microseconds)).collect());
    }
    panel
}

fn times(costs: &[Cost]) -> Panel {
    let names = [Choice::Empty, Choice::Ebpf].map(|choice| choice.to_string());
    let mut panel =
        Panel::new("One run of the kernel program by number of slots", "ns").series(names);
    for row in by_number(costs) {
        let bars = row.iter().filter_map(|cost| cost.run.as_ref()).map(|run| Some(run.nanoseconds));
        panel.row(number(row), bars.collect());
    }
    panel
}
