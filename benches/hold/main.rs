//! Connections that are idle: the memory of each, and the CPU time of a server that only answers pings.
//!
//! `cargo xtask bench hold` runs it. This process is all clients, one epoll set of them; each has an address of
//! its own. Servers are new in each round, take turns in getting connections, and hold them at the same time.

mod clients;
mod connection;
mod kind;
mod memory;
mod options;
mod outcome;
mod polling;
mod round;
mod servers;
mod show;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sticky_benches::report::Report;

use options::Options;
use outcome::Outcome;
use round::{Setting, run};
use servers::Choice;

fn main() -> Result<()> {
    let options = Options::parse();
    let most = options.connections.iter().max().copied().context("no number of connections")?;
    raise_limit_of_open_files(most, options.servers.len())?;
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
            let setting = Setting { kind, connections, seconds: options.seconds };
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
    show::report(&mut report, &outcomes, &servers, &options)?;
    report.write()
}

/// Every connection is a file of this process, and of its server, which inherits the limit.
fn raise_limit_of_open_files(connections: usize, servers: usize) -> Result<()> {
    /// Besides connections; and what an upgrade takes for a moment.
    const OTHERS: usize = 1000;
    let needed = u64::try_from(connections * servers + OTHERS)?;
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.map(|maximum| maximum.max(needed));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    raised.with_context(|| {
        format!(
            "cannot open {needed} files, a connection each: raise the limit (`ulimit -Hn {needed}` as root), \
             or ask for fewer --connections or --servers"
        )
    })
}
