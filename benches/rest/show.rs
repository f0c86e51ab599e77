//! The figures as tables.

use harness::Mode;
use sticky_benches::numbers::{Figure, short};
use sticky_benches::table::Table;

use crate::idle::Idle;
use crate::options::{MODES, Options, WORKERS};
use crate::start::Start;

pub(crate) fn starts(starts: &[Start], options: &Options) -> String {
    let heads = MODES.map(|mode| mode.name().to_owned());
    let mut table = Table::new(["workers".to_owned()].into_iter().chain(heads));
    for Start { workers, milliseconds } in starts {
        let times = milliseconds.iter().map(Figure::to_string);
        table.row([workers.to_string()].into_iter().chain(times));
    }
    let rounds = options.rounds;
    format!(
        "From `sticky run` to the line that says that all workers are ready, in ms; medians of {rounds} \
         rounds (quartiles).\n\n{table}"
    )
}

pub(crate) fn replacements(times: &[Figure]) -> String {
    let mut table = Table::new(MODES.map(Mode::name));
    table.row(times.iter().map(Figure::to_string));
    format!(
        "From the start of one worker to its readiness, of {WORKERS} that `sticky reload` replaces, in \
         ms.\n\n{table}"
    )
}

#[expect(clippy::cast_precision_loss, reason = "megabytes and minutes")]
pub(crate) fn idle(idle: &[Idle], seconds: f64) -> String {
    let heads =
        ["server at rest", "process", "resident, MB", "of its own, MB", "wake-ups a minute"];
    let mut table = Table::new(heads);
    for Idle { server, process, resident, own, wakeups } in idle {
        table.row([
            server.clone(),
            process.clone(),
            short(*resident as f64 / 1e6),
            short(*own as f64 / 1e6),
            short(*wakeups as f64 * 60.0 / seconds),
        ]);
    }
    format!(
        "{WORKERS} workers that nobody asks for anything, for {seconds} s. Of the workers the one that has \
         the most memory.\n\n{table}"
    )
}
