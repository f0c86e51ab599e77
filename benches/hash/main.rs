//! The classic benchmark of hashes for sticky sessions: a million addresses through each of them.
//!
//! `cargo xtask bench hash [N]` runs it, for N workers. Where Node.js is, it does the same there, and
//! the slots are compared one by one.

mod criterion;
mod family;
mod javascript;
mod outcome;
mod show;

use anyhow::Result;
use clap::Parser;
use sticky_benches::report::Report;
use sticky_ebpf::{Mapping, SlotCount};

use family::Family;
use outcome::Outcomes;

/// The classic hashing benchmark
#[derive(Parser)]
struct Options {
    /// The number of workers
    #[arg(default_value = "4")]
    workers: SlotCount,
    /// How many addresses of each family
    #[arg(long, default_value = "1000000")]
    addresses: usize,
    /// Added by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let mapping = Mapping::new(options.workers);
    let mut report = Report::new("hash")?;
    let mut all = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        let clients = family.clients(options.addresses);
        eprintln!("{family}: {} addresses", clients.len());
        let javascript = javascript::run(&clients, options.workers);
        if let Err(error) = &javascript {
            report.say(&format!("{family} without JavaScript: {error:#}"));
        }
        all.push(Outcomes::of(family, &clients, &mapping, javascript.ok()));
    }
    for outcomes in &all {
        report.say(&show::table(outcomes, &mapping));
        let notes = show::notes(outcomes);
        if !notes.is_empty() {
            report.say(&notes);
        }
    }
    report.data("families", &all)?;
    report.picture(show::picture(&all));
    report.write()
}
