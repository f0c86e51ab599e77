//! The outcomes as tables and as a picture.

use anyhow::Result;
use sticky_benches::numbers::Figure;
use sticky_benches::picture::{Panel, Picture};
use sticky_benches::report::Report;
use sticky_benches::table::Table;

use crate::options::Options;
use crate::outcome::Outcome;
use crate::servers::Choice;

pub(crate) fn report(
    report: &mut Report,
    outcomes: &[Outcome],
    servers: &[Choice],
    options: &Options,
    limit: usize,
) -> Result<()> {
    let Options { rounds, seconds, .. } = options;
    let mut picture = Picture::default();
    for same in outcomes.chunk_by(|one, next| one.connections == next.connections) {
        let Some(connections) = same.first().map(|one| one.connections) else { continue };
        let processes = match connections.div_ceil(limit) {
            1 => String::new(),
            many => format!(" in {many} processes, since one may not open so many files"),
        };
        report.say(&format!(
            "{connections} connections to each server{processes}, {rounds} rounds with new servers; medians (quartiles). \
             Growth of `VmRSS` of what serves, in kB (1024 bytes) per connection:"
        ));
        report.say(&table("memory, kB", same, servers, |one| Some(one.kilobytes)));
        if same.iter().any(|one| one.microseconds.is_some()) {
            report.say(&format!(
                "Then {seconds} s with nothing but pings: CPU time of all processes of the server, in µs per \
                 connection and minute; pings that each connection got meanwhile; and the memory afterwards."
            ));
            report.say(&table("CPU time of pings, µs", same, servers, |one| one.microseconds));
            report.say(&table("pings", same, servers, |one| one.pings));
            let after = |one: &Outcome| one.kilobytes_after_pings;
            report.say(&table("memory after pings, kB", same, servers, after));
        }
        let names = servers.iter().map(Choice::to_string);
        let title = format!("Memory of an idle connection, {connections} of them");
        let mut panel = Panel::new(title, "kB, less is better").series(names);
        for row in same.chunk_by(|one, next| one.kind == next.kind) {
            panel.row(kind(row), row.iter().map(|one| Some(one.kilobytes)).collect());
        }
        picture = picture.with(panel);
    }
    report.data("outcomes", &outcomes)?;
    report.picture(picture);
    Ok(())
}

/// A row for each kind of connection, a column for each server.
fn table(
    what: &str,
    outcomes: &[Outcome],
    servers: &[Choice],
    value: fn(&Outcome) -> Option<Figure>,
) -> Table {
    let names = servers.iter().map(Choice::to_string);
    let mut table = Table::new([what.to_owned()].into_iter().chain(names));
    for row in outcomes.chunk_by(|one, next| one.kind == next.kind) {
        if row.iter().all(|one| value(one).is_none()) {
            continue;
        }
        let cells =
            row.iter().map(|one| value(one).map_or("–".into(), |figure| figure.to_string()));
        table.row([kind(row)].into_iter().chain(cells));
    }
    table
}

fn kind(row: &[Outcome]) -> String {
    row.first().map_or_else(String::new, |one| one.kind.to_string())
}
