//! Connections that are idle: the memory of each, and the CPU time of a server that only answers pings.
//!
//! `cargo xtask bench hold` runs it. Servers are new in each round, take turns in getting connections, and hold
//! them at the same time. The clients of each are a process of their own, and have an address each.

mod clients;
mod connection;
mod held;
mod kind;
mod options;
mod outcome;
mod polling;
mod round;
mod servers;
mod show;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use sticky_benches::open_files;
use sticky_benches::report::Report;

use options::Options;
use outcome::Outcome;
use round::{Setting, run};
use servers::Choice;

/// The memory of a process grows by more than one connection at a time.
const LEAST: usize = 100;

fn main() -> Result<()> {
    let options = Options::parse();
    if let (Some(kind), Some(server)) = (options.client, options.address) {
        return clients::run(kind, server);
    }
    let most = options.connections.iter().max().copied().context("no number of connections")?;
    let least = options.connections.iter().min().copied().unwrap_or_default();
    ensure!(least >= LEAST, "--connections {least}: fewer than {LEAST} show nothing");
    let limit = open_files::raise_limit(most)?;
    let mut report = Report::new("hold")?;
    let mut servers: Vec<Choice> = Vec::new();
    for &choice in &options.servers {
        match choice.start() {
            Ok(_) => servers.push(choice),
            Err(error) => report.say(&format!("{choice} was not measured: {error:#}")),
        }
    }
    ensure!(!servers.is_empty(), "no server could be started");
    let mut outcomes = Vec::new();
    for &connections in &options.connections {
        for &kind in &options.kinds {
            let setting = Setting { kind, connections, limit, seconds: options.seconds };
            let mut samples = Vec::new();
            for round in 0..options.rounds {
                for sample in run(setting, &servers, round)? {
                    eprintln!(
                        "{kind}, {connections}, round {}/{}: {sample}",
                        round + 1,
                        options.rounds
                    );
                    samples.push(sample);
                }
            }
            let outcome = |&server| Outcome::of(kind, connections, server, &samples);
            outcomes.extend(servers.iter().map(outcome));
        }
    }
    show::report(&mut report, &outcomes, &servers, &options, limit)?;
    report.write()
}
