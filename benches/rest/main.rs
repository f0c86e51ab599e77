//! What a server takes before it serves, and while nobody asks it for anything: the time until workers
//! are ready, memory, and wake-ups.
//!
//! `cargo xtask bench rest` runs it.

mod idle;
mod reload;
mod show;
mod start;

use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use harness::Mode;
use sticky_benches::numbers::Figure;
use sticky_benches::report::Report;

/// A server that starts, and one that rests: time to READY, memory, wake-ups
#[derive(Debug, Parser)]
struct Options {
    /// Rounds; times are medians over them
    #[arg(long, default_value = "9")]
    rounds: usize,
    /// Numbers of workers that are started
    #[arg(long, value_delimiter = ',', default_value = "1,4,16,64")]
    workers: Vec<u32>,
    /// How long servers rest while their wake-ups are counted, in seconds
    #[arg(long, default_value = "60")]
    seconds: f64,
    /// Added by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

const MODES: [Mode; 3] = [Mode::Ebpf, Mode::Cbpf, Mode::FdPassing];

/// The workers of a server that rests, and of one whose workers are replaced.
const WORKERS: u32 = 4;

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
