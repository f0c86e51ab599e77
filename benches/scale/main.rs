//! The cost of a connection, with the number of slots and with connections that are open; and of one
//! run of the kernel program, beside a program that does nothing.
//!
//! `cargo xtask bench scale` runs it, in one process and without workers: connections are made,
//! accepted and closed by one thread, so that its time is the kernel's, and the same for everybody
//! besides the choice of the listener.

mod connections;
mod cost;
mod loaded;
mod options;
mod port;
mod reference;
mod runs;
mod show;

use anyhow::{Context as _, Result};
use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sticky_benches::interleave;
use sticky_benches::numbers::Figure;
use sticky_benches::report::Report;

use connections::Connections;
use cost::{Cost, SLOTS};
use options::Options;
use port::{Choice, Port};

fn main() -> Result<()> {
    let options = Options::parse();
    raise_limit_of_open_files()?;
    // The modes want one, though nothing of what is measured runs in it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _entered = runtime.enter();
    let mut report = Report::new("scale")?;
    let mut by_slots = Vec::new();
    for &slots in &options.slots {
        by_slots.extend(measure(slots, 0, slots as usize, &options)?);
    }
    let mut by_open = Vec::new();
    for &open in &options.open {
        by_open.extend(measure(SLOTS, open, open, &options)?);
    }
    let mut runs = Vec::new();
    for &slots in &options.slots {
        eprintln!("{slots} slots, runs of the kernel program");
        runs.extend(runs::measure(slots, &options)?);
    }
    show::report(&mut report, &by_slots, &by_open, &runs, &options)?;
    report.write()
}

fn measure(slots: u32, open: usize, number: usize, options: &Options) -> Result<Vec<Cost>> {
    eprintln!("{slots} slots, {open} open connections");
    let ports = Choice::CONNECTED.map(|choice| Port::open(choice, slots));
    let ports: Vec<Port> = ports.into_iter().collect::<Result<_>>()?;
    let all: Result<Vec<Connections>> =
        ports.iter().map(|port| Connections::with_open(port, open)).collect();
    let mut all = all?;
    let mut rounds: Vec<Vec<f64>> = all.iter().map(|_| Vec::new()).collect();
    for round in 0..options.rounds {
        for at in interleave::order(round, all.len()) {
            if let (Some(connections), Some(rounds)) = (all.get_mut(at), rounds.get_mut(at)) {
                rounds.push(connections.microseconds(options.connections)?);
            }
        }
    }
    let costs = ports.iter().zip(rounds).map(|(port, rounds)| Cost {
        choice: port.choice,
        number,
        microseconds: Figure::of(rounds),
    });
    Ok(costs.collect())
}

/// Both ends of every connection are in this process: as many files as it may open.
fn raise_limit_of_open_files() -> Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context("cannot raise the limit of open files")
}
