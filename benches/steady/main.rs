//! Requests on connections that are open: what a proxy on the way costs for each.
//!
//! `cargo xtask bench steady` runs it: HTTP requests on connections that are kept, and messages of
//! Socket.IO over WebSockets that are acknowledged, each client with one on its way at a time.

mod conversation;
mod http;
mod load;
mod socketio;
mod traffic;

use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;
use harness::Mode;
use sticky_benches::interleave;
use sticky_benches::numbers::Figure;
use sticky_benches::picture::{Panel, Picture};
use sticky_benches::report::Report;
use sticky_benches::sample::{Figures, Sample, Value};
use sticky_benches::servers::{Kind, Server};
use sticky_benches::table::Table;
use sticky_ebpf::SlotCount;

use load::Load;
use traffic::Traffic;

/// The first is what the others are compared with.
const KINDS: [Kind; 6] = [
    Kind::Sticky(Mode::Ebpf),
    Kind::Sticky(Mode::FdPassing),
    Kind::Nginx,
    Kind::HaProxy,
    Kind::Stock,
    Kind::Library,
];

/// What is counted.
const COUNTED: &str = "messages";

/// Requests on open connections: HTTP keep-alive and Socket.IO
#[derive(Debug, Parser)]
struct Options {
    /// Rounds; results are medians over them
    #[arg(long, default_value = "7")]
    rounds: usize,
    /// How long a server is under load in each round and with each traffic, in seconds
    #[arg(long, default_value = "2")]
    seconds: f64,
    /// Workers of each server
    #[arg(long, default_value = "4")]
    workers: SlotCount,
    /// Open connections
    #[arg(long, default_value = "64")]
    connections: usize,
    /// Only servers whose name contains this
    #[arg(long)]
    only: Vec<String>,
    /// Added by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let mut report = Report::new("steady")?;
    let mut servers = Vec::new();
    for kind in KINDS.into_iter().filter(|kind| options.wants(*kind)) {
        eprintln!("starting {kind}");
        match kind.start(options.workers.get()) {
            Ok(server) => servers.push(server),
            Err(error) => report.say(&format!("{kind} was not measured: {error:#}")),
        }
    }
    ensure!(!servers.is_empty(), "no server could be started");
    let Options { rounds, seconds, workers, connections, .. } = &options;
    report.say(&format!(
        "{workers} workers, {connections} open connections with one message on its way each, \
         {rounds} rounds of {seconds} s each; medians (quartiles)."
    ));
    let mut picture = Picture::default();
    for traffic in [Traffic::Http, Traffic::SocketIo] {
        let all = measure(traffic, &servers, &options)?;
        let rows: Vec<(String, &Figures)> = servers
            .iter()
            .zip(&all)
            .map(|(server, figures)| (server.kind.to_string(), figures))
            .collect();
        let mut table = Table::new(Figures::heads(&traffic.to_string(), COUNTED));
        for (name, figures) in &rows {
            table.row(figures.cells(name));
        }
        report.say(&table);
        report.say(&Figures::ratios(COUNTED, &rows));
        if let Some(table) = Figures::round_by_round(COUNTED, &rows, Kind::Library, Kind::Stock) {
            report.say(&table);
        }
        report.data(traffic.name(), &rows)?;
        picture = picture
            .with(panel(&format!("{traffic}: latency p50"), &rows, |figures| {
                figures.p50_microseconds
            }))
            .with(panel(&format!("{traffic}: server's CPU time per message"), &rows, |figures| {
                figures.server_microseconds
            }));
    }
    report.picture(picture);
    report.write()
}

impl Options {
    fn wants(&self, kind: Kind) -> bool {
        let name = kind.to_string();
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part))
    }
}

fn measure(traffic: Traffic, servers: &[Server], options: &Options) -> Result<Vec<Figures>> {
    let mut samples: Vec<Vec<Sample>> = servers.iter().map(|_| Vec::new()).collect();
    let threads = available_parallelism().map_or(1, usize::from);
    for round in 0..options.rounds {
        for at in interleave::order(round, servers.len()) {
            let (Some(server), Some(samples)) = (servers.get(at), samples.get_mut(at)) else {
                continue;
            };
            let mut load = Load::open(traffic, server.address, threads, options.connections)?;
            load.run(Duration::from_secs_f64(options.seconds / 10.0))?;
            let time = Duration::from_secs_f64(options.seconds);
            let sample = Sample::of(server, || load.run(time))?;
            let (round, rounds) = (round + 1, options.rounds);
            eprintln!("{traffic}, round {round}/{rounds}: {:14} {sample}", server.kind.to_string());
            samples.push(sample);
        }
    }
    Ok(samples.into_iter().map(Figures::of).collect())
}

fn panel(title: &str, rows: &[(String, &Figures)], value: Value) -> Panel {
    let mut panel = Panel::new(title, "µs, less is better");
    for (name, figures) in rows {
        let bar: Figure = value(figures);
        panel.row(name.clone(), vec![Some(bar)]);
    }
    panel
}
