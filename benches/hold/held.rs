//! A server and its clients, as many of both as the limit of open files asks for.

use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::ValueEnum as _;
use sticky_benches::crowd::Crowd;
use sticky_benches::memory::settled;
use sticky_benches::servers::Server;

use crate::kind::Kind;
use crate::servers::Choice;

/// All that holds connections for one choice of a server.
pub(crate) struct Held {
    instances: Vec<Instance>,
}

/// One process that serves and one that is its clients.
struct Instance {
    server: Server,
    crowd: Crowd,
    /// Memory when it had few connections.
    before: u64,
    /// Connections since then.
    more: usize,
}

impl Held {
    /// Starts servers and opens connections, at most `limit` to a process.
    pub(crate) fn open(choice: Choice, kind: Kind, count: usize, limit: usize) -> Result<Self> {
        let instances = count.div_ceil(limit);
        let share = count.div_ceil(instances);
        let open = |instance| Instance::open(choice, kind, share.min(count - share * instance));
        let instances = (0..instances).map(open).collect::<Result<_>>()?;
        Ok(Self { instances })
    }

    /// Growth of memory by connection, in kB as the kernel writes them: 1024 bytes.
    #[expect(clippy::cast_precision_loss, reason = "kilobytes")]
    pub(crate) fn kilobytes(&self) -> Result<f64> {
        let (mut bytes, mut connections) = (0.0, 0);
        for Instance { server, before, more, .. } in &self.instances {
            bytes += settled(server)? as f64 - *before as f64;
            connections += more;
        }
        Ok(bytes / 1024.0 / connections as f64)
    }

    /// The time that all processes of the servers have run so far.
    pub(crate) fn run_time(&self) -> Duration {
        self.instances.iter().map(|instance| instance.server.run_time()).sum()
    }

    /// The pings that were answered so far; an error when a connection has ended.
    pub(crate) fn pings(&mut self) -> Result<usize> {
        let pings = |instance: &mut Instance| {
            instance.crowd.ask("pings")?.parse::<usize>().context("not a number of pings")
        };
        self.instances.iter_mut().map(pings).sum()
    }
}

impl Instance {
    fn open(choice: Choice, kind: Kind, count: usize) -> Result<Self> {
        let server = choice.start()?;
        let name = kind.to_possible_value().context("a kind of connection without a name")?;
        let who = format!("clients of {choice}");
        let mut crowd = Crowd::start(name.get_name(), server.address, who)?;
        // What a process needs as soon as it has one connection is not a connection's.
        let few = (count / 100).max(1);
        crowd.open(0, few)?;
        let before = settled(&server)?;
        crowd.open(few, count)?;
        Ok(Self { server, crowd, before, more: count - few })
    }
}
