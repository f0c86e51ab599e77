//! The outcomes as tables and as a picture.

use std::fmt::Write as _;

use sticky_benches::numbers::{Figure, short};
use sticky_benches::picture::{Panel, Picture};
use sticky_benches::table::Table;
use sticky_ebpf::Mapping;

use crate::outcome::{Beside, Outcome, Outcomes};

/// More slots are not written one by one.
const FEW: usize = 8;

pub(crate) fn table(outcomes: &Outcomes, mapping: &Mapping) -> Table {
    let slots = mapping.slots();
    let family = outcomes.family;
    let mut table = Table::new([
        format!("{family}, {slots} workers"),
        "Criterion, ns".into(),
        "Rust, ns".into(),
        "JavaScript, ns".into(),
        "slots that differ".into(),
        "addresses per slot".into(),
        "farthest from even".into(),
    ]);
    for outcome in &outcomes.algorithms {
        let (javascript, different) = beside(outcome.javascript.as_ref());
        let (scatter, unevenness) = if outcome.not_a_number > 0 {
            (format!("none: NaN for {}", outcome.not_a_number), "–".into())
        } else {
            (scatter(outcome), format!("{} %", short(outcome.unevenness())))
        };
        table.row([
            outcome.name.into(),
            outcome.in_cache.map_or_else(|| "–".into(), short),
            short(outcome.nanoseconds),
            javascript,
            different,
            scatter,
            unevenness,
        ]);
    }
    table
}

fn beside(javascript: Option<&Beside>) -> (String, String) {
    match javascript {
        Some(beside) => (short(beside.nanoseconds), beside.different.to_string()),
        None => ("not there".into(), "not compared".into()),
    }
}

fn scatter(outcome: &Outcome) -> String {
    let counts = &outcome.scatter;
    if counts.len() <= FEW {
        return counts.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    }
    let least = counts.iter().min().copied().unwrap_or(0);
    let most = counts.iter().max().copied().unwrap_or(0);
    format!("{least} to {most}")
}

/// What a table cannot say in a cell.
pub(crate) fn notes(outcomes: &Outcomes) -> String {
    let mut notes = String::new();
    if outcomes.rounded > 0 {
        let total: usize = outcomes.algorithms.first().map_or(0, |one| one.scatter.iter().sum());
        let _ = write!(
            notes,
            "{}, simple_loop: the digits exceed what JavaScript's numbers hold. {} of {total} \
             addresses get another slot than their digits would give.",
            outcomes.family, outcomes.rounded
        );
    }
    notes
}

#[expect(clippy::cast_precision_loss, reason = "millions")]
pub(crate) fn picture(all: &[Outcomes]) -> Picture {
    all.iter().fold(Picture::default(), |picture, outcomes| {
        let title = format!("{}: addresses per slot", outcomes.family);
        let mut panel = Panel::new(title, "thousands of addresses, one bar per slot");
        for outcome in &outcomes.algorithms {
            let nothing = outcome.not_a_number > 0;
            let name =
                if nothing { format!("{} (NaN)", outcome.name) } else { outcome.name.into() };
            let bar = |&count: &usize| (!nothing).then(|| Figure::single(count as f64 / 1000.0));
            panel.row(name, outcome.scatter.iter().map(bar).collect());
        }
        picture.with(panel)
    })
}
