//! What a server takes before it serves, and while nobody asks it for anything: the time until workers
//! are ready, memory, and wake-ups.
//!
//! `cargo xtask bench rest` runs it.

mod idle;
mod options;
mod reload;
mod show;
mod start;

use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use sticky_benches::numbers::Figure;
use sticky_benches::report::Report;

use options::{MODES, Options};

fn main() -> Result<()> {
    let options = Options::parse();
    let mut report = Report::new("rest")?;
    let starts = start::measure(&options)?;
    let replacements = MODES.map(|mode| reload::measure(mode, options.rounds));
    let replacements = replacements.into_iter().collect::<Result<Vec<Figure>>>()?;
    let idle = idle::measure(Duration::from_secs_f64(options.seconds))?;
    report.say(&show::starts(&starts, &options));
    report.say(&show::replacements(&replacements));
    report.say(&show::idle(&idle, options.seconds));
    report.data("starts", &starts)?;
    report.data("replacements", &replacements)?;
    report.data("idle", &idle)?;
    report.write()
}
