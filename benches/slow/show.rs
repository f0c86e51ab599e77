//! The outcomes as tables.

use sticky_benches::numbers::Figure;
use sticky_benches::table::Table;

use crate::kind::Kind;
use crate::outcome::Outcome;

/// The neighbour's p99 is to stay within as many times the undisturbed one.
const GOAL: f64 = 1.5;

pub(crate) fn neighbour(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new([
        "slow clients".to_owned(),
        "number".into(),
        "undisturbed p50, µs".into(),
        "undisturbed p99, µs".into(),
        "ratio of p50".into(),
        "ratio of p99".into(),
        format!("within {GOAL}"),
    ]);
    for one in outcomes {
        table.row([
            one.kind.to_string(),
            one.clients.to_string(),
            one.p50_microseconds.to_string(),
            one.p99_microseconds.to_string(),
            one.p50.to_string(),
            one.p99.to_string(),
            if one.p99.median <= GOAL { "yes" } else { "no" }.into(),
        ]);
    }
    table
}

pub(crate) fn gone(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new([
        "slow clients",
        "number",
        "memory of each, kB",
        "bound, kB",
        "limit, s",
        "first one gone, s",
        "last one gone, s",
    ]);
    let cell = |figure: Option<Figure>| figure.map_or("–".into(), |figure| figure.to_string());
    for one in outcomes.iter().filter(|one| one.kind != Kind::Nobody) {
        table.row([
            one.kind.to_string(),
            one.clients.to_string(),
            cell(one.kilobytes),
            one.kind.bound().to_string(),
            one.kind.limit().as_secs().to_string(),
            cell(one.first),
            cell(one.last),
        ]);
    }
    table
}
