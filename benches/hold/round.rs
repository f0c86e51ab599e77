//! One round: all servers hold connections of one kind at the same time.

use std::fmt;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use sticky_benches::interleave;

use crate::held::Held;
use crate::kind::Kind;
use crate::servers::Choice;

/// What is the same for all servers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) kind: Kind,
    pub(crate) connections: usize,
    /// Connections that one process can have.
    pub(crate) limit: usize,
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

/// Servers are new in each round: memory that was used before would not grow again.
pub(crate) fn run(setting: Setting, servers: &[Choice], round: usize) -> Result<Vec<Sample>> {
    let Setting { kind, connections, limit, seconds } = setting;
    let mut all = Vec::new();
    for at in interleave::order(round, servers.len()) {
        let Some(&choice) = servers.get(at) else { continue };
        let held = Held::open(choice, kind, connections, limit)?;
        let kilobytes = held.kilobytes()?;
        all.push((held, Sample { server: choice, kilobytes, pinged: None }));
    }
    if kind.has_pings() && seconds > 0 {
        ping(&mut all, setting)?;
    }
    // Whether all are still there.
    for (held, _) in &mut all {
        held.pings()?;
    }
    Ok(all.into_iter().map(|(_, sample)| sample).collect())
}

#[expect(clippy::cast_precision_loss, reason = "thousands of connections")]
fn ping(all: &mut [(Held, Sample)], setting: Setting) -> Result<()> {
    let Setting { kind, connections, seconds, .. } = setting;
    let so_far = |all: &mut [(Held, Sample)]| -> Result<Vec<(Duration, usize)>> {
        all.iter_mut().map(|(held, _)| Ok((held.run_time(), held.pings()?))).collect()
    };
    eprintln!("holding {connections} for each server, for {seconds} s: {kind}");
    let before = so_far(all)?;
    // That is how long pings are counted.
    sleep(Duration::from_secs(seconds));
    let after = so_far(all)?;
    let (each, minutes) = (connections as f64, seconds as f64 / 60.0);
    for ((held, sample), (before, after)) in all.iter_mut().zip(before.into_iter().zip(after)) {
        let time = after.0.saturating_sub(before.0).as_secs_f64() * 1e6;
        sample.pinged = Some(Pinged {
            kilobytes: held.kilobytes()?,
            microseconds: time / each / minutes,
            pings: (after.1 - before.1) as f64 / each,
        });
    }
    Ok(())
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, kilobytes, pinged } = self;
        write!(f, "{:26}{kilobytes:.1} kB", server.to_string())?;
        let Some(Pinged { kilobytes, microseconds, pings }) = pinged else { return Ok(()) };
        write!(f, "; {pings:.2} pings, {microseconds:.0} µs a minute, then {kilobytes:.1} kB")
    }
}
