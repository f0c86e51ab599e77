//! Connections that are idle: the memory of each, and the CPU time of a server that only answers pings.
//!
//! `cargo xtask bench hold` runs it. Servers are new in each round, take turns in getting connections, and hold
//! them at the same time. The clients of each are a process of their own, and have an address each.

mod clients;
mod connection;
mod crowd;
mod held;
mod kind;
mod memory;
mod options;
mod outcome;
mod polling;
mod round;
mod servers;
mod show;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
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
    let limit = raise_limit_of_open_files(most)?;
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

/// Every connection is a file of the process that serves it, and of its client's; both inherit the limit. How
/// many connections they can have.
fn raise_limit_of_open_files(connections: usize) -> Result<usize> {
    /// Besides connections; and what an upgrade takes for a moment.
    const OTHERS: u64 = 500;
    let wanted = u64::try_from(connections)? + OTHERS;
    let hard = getrlimit(Resource::Nofile).maximum;
    let raise = |to| setrlimit(Resource::Nofile, Rlimit { current: to, maximum: to });
    // Beyond the hard limit it takes a right that even root may lack.
    if hard.is_some_and(|hard| hard >= wanted) || raise(Some(wanted)).is_err() {
        raise(hard).context("cannot raise the limit of open files")?;
    }
    match getrlimit(Resource::Nofile).current {
        None => Ok(connections),
        Some(files) if files > OTHERS => Ok(usize::try_from(files - OTHERS)?),
        Some(files) => {
            bail!("a process may open only {files} files: raise that limit (`ulimit -n 20000`)")
        }
    }
}
