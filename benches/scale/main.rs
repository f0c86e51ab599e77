//! The cost of a connection, with the number of slots and with connections that are open; and of one
//! run of the kernel program, beside a program that does nothing.
//!
//! `cargo xtask bench scale` runs it, in one process and without workers: connections are made,
//! accepted and closed by one thread, so that its time is the kernel's, and the same for everybody
//! besides the choice of the listener.

mod connections;
mod port;
mod program;
mod reference;
mod show;

use anyhow::{Context as _, Result};
use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use sticky_benches::numbers::Figure;
use sticky_benches::report::Report;
use sticky_benches::turns;

use connections::Connections;
use port::{Choice, Port};

/// Kernel programs: connections per number of slots and of open connections
#[derive(Debug, Parser)]
struct Options {
    /// Rounds; results are medians over them
    #[arg(long, default_value = "15")]
    rounds: usize,
    /// Connections in a round
    #[arg(long, default_value = "4000")]
    connections: usize,
    /// Numbers of slots
    #[arg(long, value_delimiter = ',', default_value = "2,8,32,128,256")]
    slots: Vec<u32>,
    /// Numbers of connections that are open meanwhile on each port, with 4 slots; each takes 8 of
    /// the files that a process may open (ulimit -n)
    #[arg(long, value_delimiter = ',', default_value = "0,500,2000")]
    open: Vec<usize>,
    /// Added by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

const SLOTS: u32 = 4;

/// One choice of the listener, measured with so many slots or open connections.
#[derive(Debug, Serialize)]
struct Cost {
    choice: Choice,
    number: usize,
    /// CPU time to connect, accept and close.
    microseconds: Figure,
}

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
        runs.extend(program::measure(slots, &options)?);
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
        for at in turns::order(round, all.len()) {
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
