//! Slow and hostile clients: what they cost their neighbours, and the worker in memory, and when they are gone.
//!
//! `cargo xtask bench slow` runs it. The slow clients are a process of their own, and have an address each.

mod client;
mod clients;
mod kind;
mod neighbour;
mod options;
mod outcome;
mod round;
mod show;

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;
use sticky_benches::report::Report;
use sticky_benches::{interleave, open_files};

use kind::Kind;
use options::Options;
use outcome::Outcome;

fn main() -> Result<()> {
    let options = Options::parse();
    if let (Some(kind), Some(server)) = (options.client, options.address) {
        return clients::run(kind, server);
    }
    let kinds = &options.kinds;
    let most = kinds.iter().map(|&kind| options.clients(kind)).max().unwrap_or_default();
    let limit = open_files::raise_limit(most)?;
    ensure!(most <= limit, "{most} slow clients, but a process may open only {limit} connections");
    let time = Duration::from_secs_f64(options.seconds);
    let mut report = Report::new("slow")?;
    let mut samples = Vec::new();
    for round in 0..options.rounds {
        for at in interleave::order(round, kinds.len()) {
            let Some(&kind) = kinds.get(at) else { continue };
            let sample = round::run(kind, options.clients(kind), time)?;
            eprintln!("round {}/{}, {kind}: {sample}", round + 1, options.rounds);
            samples.push(sample);
        }
    }
    let outcome = |&kind: &Kind| Outcome::of(kind, options.clients(kind), &samples);
    let outcomes: Vec<Outcome> = kinds.iter().map(outcome).collect();
    let (rounds, seconds) = (options.rounds, options.seconds);
    report.say(&format!(
        "A neighbour that asks one request after the other, {seconds} s undisturbed and {seconds} s beside slow \
         clients, {rounds} rounds; medians (quartiles), ratios to the undisturbed times of the same round:"
    ));
    report.say(&show::neighbour(&outcomes));
    report.say(
        &"What the worker grew at the most (`VmHWM`), for each slow client, and how long they were connected:",
    );
    report.say(&show::gone(&outcomes));
    report.data("outcomes", &outcomes)?;
    report.data("samples", &samples)?;
    report.write()?;
    for sample in &samples {
        let (kind, grown) = (sample.kind, sample.gone.map_or(0.0, |gone| gone.kilobytes));
        ensure!(
            grown <= kind.bound(),
            "{kind}: the worker grew by {grown:.0} kB for each slow client, more than {} kB",
            kind.bound()
        );
    }
    Ok(())
}
