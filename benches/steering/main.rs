//! A connection per request: this project's modes and their peers, side by side.
//!
//! `cargo xtask bench steering` runs it. All servers run all the time, and take turns in being under
//! load: a load of as many threads as there are processors, each with a number of clients that
//! connect, ask, read the answer, and close, again and again.

mod client;
mod load;
mod options;
mod outcome;
mod show;

use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;
use harness::Mode;
use sticky_benches::interleave;
use sticky_benches::report::Report;
use sticky_benches::servers::{Kind, Server};

use load::{Load, Sources};
use options::Options;
use outcome::{Outcome, Round};

const KINDS: [Kind; 11] = [
    Kind::Plain,
    Kind::PlainAgain,
    Kind::Sticky(Mode::Ebpf),
    Kind::Sticky(Mode::Cbpf),
    Kind::Sticky(Mode::FdPassing),
    Kind::Nginx,
    Kind::HaProxy,
    Kind::Stock,
    Kind::Library,
    Kind::NodeUnderSticky(Mode::Ebpf),
    Kind::NodeRecipe,
];

fn main() -> Result<()> {
    let options = Options::parse();
    let mut report = Report::new("steering")?;
    let mut contenders = Vec::new();
    for kind in KINDS.into_iter().filter(|kind| options.wants(*kind)) {
        eprintln!("starting {kind}");
        match kind.start(options.workers.get()) {
            Ok(server) => contenders.push(Contender::new(server, &options)),
            Err(error) => report.say(&format!("{kind} was not measured: {error:#}")),
        }
    }
    ensure!(!contenders.is_empty(), "no server could be started");
    for round in 0..options.rounds {
        for at in interleave::order(round, contenders.len()) {
            if let Some(contender) = contenders.get_mut(at) {
                let result = contender.measure(&options)?;
                eprintln!(
                    "round {}/{}: {:14} {result}",
                    round + 1,
                    options.rounds,
                    contender.server.kind.to_string()
                );
                contender.rounds.push(result);
            }
        }
    }
    let outcomes: Vec<Outcome> = contenders.iter().map(Contender::outcome).collect();
    show::report(&mut report, &outcomes, &options)?;
    report.write()
}

/// A server, its clients, and its rounds so far.
struct Contender {
    server: Server,
    sources: Sources,
    rounds: Vec<Round>,
}

impl Contender {
    fn new(server: Server, options: &Options) -> Self {
        let sources = Sources::new(options.sources, server.kind.rule(), options.workers);
        Self { server, sources, rounds: Vec::new() }
    }

    fn measure(&self, options: &Options) -> Result<Round> {
        let load = |seconds| Load {
            address: self.server.address,
            sources: &self.sources,
            threads: available_parallelism().map_or(1, usize::from),
            connections: options.connections,
            time: Duration::from_secs_f64(seconds),
        };
        // Caches and queues of a server that had nothing to do.
        load(options.seconds / 10.0).run()?;
        Round::of(&self.server, &load(options.seconds))
    }

    fn outcome(&self) -> Outcome {
        Outcome::of(self.server.kind.to_string(), &self.rounds)
    }
}
