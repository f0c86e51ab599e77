//! One round: all servers hold connections of one kind at the same time.

use std::fmt;
use std::time::Duration;

use anyhow::Result;
use harness::addresses;
use serde::Serialize;
use sticky_benches::interleave;
use sticky_benches::servers::Server;

use crate::clients::Clients;
use crate::kind::Kind;
use crate::memory::settled;
use crate::servers::Choice;

/// What is the same for all servers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) kind: Kind,
    pub(crate) connections: usize,
    pub(crate) seconds: u64,
}

/// What one server showed.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Sample {
    pub(crate) server: Choice,
    /// Memory of a connection.
    pub(crate) kilobytes: f64,
    pub(crate) pinged: Option<Pinged>,
}

/// While it did nothing but answer pings.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Pinged {
    /// Memory of a connection afterwards.
    pub(crate) kilobytes: f64,
    /// CPU time of all processes of the server, per connection and minute.
    pub(crate) microseconds: f64,
    /// Of each connection.
    pub(crate) pings: f64,
}

/// A server with its memory when it had few connections, and when it had all.
struct Holding {
    server: Server,
    choice: Choice,
    before: u64,
    after: u64,
}

/// Servers are new in each round: memory that was used before would not grow again.
pub(crate) fn run(setting: Setting, servers: &[Choice], round: usize) -> Result<Vec<Sample>> {
    let Setting { kind, connections, seconds } = setting;
    let addresses = addresses(connections);
    // What a process needs as soon as it has one connection is not a connection's.
    let (few, most) = addresses.split_at((connections / 100).max(1));
    let mut clients = Clients::new(kind)?;
    let mut holding = Vec::new();
    for at in interleave::order(round, servers.len()) {
        let Some(&choice) = servers.get(at) else { continue };
        let server = choice.start()?;
        clients.open(choice, few, server.address)?;
        let before = settled(&server, &mut clients)?;
        clients.open(choice, most, server.address)?;
        let after = settled(&server, &mut clients)?;
        holding.push((at, Holding { server, choice, before, after }));
    }
    holding.sort_by_key(|(at, _)| *at);
    let holding: Vec<Holding> = holding.into_iter().map(|(_, holding)| holding).collect();
    let pinged = if kind.has_pings() && seconds > 0 {
        let pinged = ping(&holding, &mut clients, setting, most.len())?;
        pinged.into_iter().map(Some).collect()
    } else {
        vec![None; holding.len()]
    };
    // Whether all are still there.
    clients.hold(Duration::ZERO)?;
    let samples = holding.iter().zip(pinged).map(|(holding, pinged)| Sample {
        server: holding.choice,
        kilobytes: kilobytes(holding.before, holding.after, most.len()),
        pinged,
    });
    Ok(samples.collect())
}

#[expect(clippy::cast_precision_loss, reason = "thousands of connections")]
fn ping(
    holding: &[Holding],
    clients: &mut Clients,
    setting: Setting,
    grown_by: usize,
) -> Result<Vec<Pinged>> {
    let Setting { kind, connections, seconds } = setting;
    eprintln!("holding {connections} of each server for {seconds} s: {kind}");
    let so_far = |clients: &Clients| -> Vec<(Duration, usize)> {
        let of = |one: &Holding| (one.server.run_time(), clients.pings(one.choice));
        holding.iter().map(of).collect()
    };
    let before = so_far(clients);
    clients.hold(Duration::from_secs(seconds))?;
    let after = so_far(clients);
    let each = connections as f64;
    let mut pinged = Vec::new();
    for ((one, before), after) in holding.iter().zip(before).zip(after) {
        let time = after.0.saturating_sub(before.0).as_secs_f64() * 1e6;
        let memory = settled(&one.server, clients)?;
        pinged.push(Pinged {
            kilobytes: kilobytes(one.before, memory, grown_by),
            microseconds: time / each / (seconds as f64 / 60.0),
            pings: (after.1 - before.1) as f64 / each,
        });
    }
    Ok(pinged)
}

/// As the kernel writes them: 1024 bytes.
#[expect(clippy::cast_precision_loss, reason = "kilobytes")]
fn kilobytes(before: u64, after: u64, connections: usize) -> f64 {
    (after as f64 - before as f64) / 1024.0 / connections as f64
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, kilobytes, pinged } = self;
        write!(f, "{:26}{kilobytes:.1} kB", server.to_string())?;
        let Some(Pinged { kilobytes, microseconds, pings }) = pinged else { return Ok(()) };
        write!(f, "; {pings:.2} pings, {microseconds:.0} µs a minute, then {kilobytes:.1} kB")
    }
}
