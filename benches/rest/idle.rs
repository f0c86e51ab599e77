//! Processes that have nothing to do.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::{Mode, Sticky};
use procfs::process::Process;
use serde::Serialize;
use sticky_benches::processes;

use crate::options::{MODES, WORKERS};

/// What a server needs before it rests.
const SETTLED: Duration = Duration::from_secs(5);

/// One process of a server that rests.
#[derive(Debug, Serialize)]
pub(crate) struct Idle {
    pub(crate) server: String,
    /// The name of the process; of several the one that has the most memory.
    pub(crate) process: String,
    /// Bytes of RAM that it has of its own or shares.
    pub(crate) resident: u64,
    /// Bytes that it has of its own.
    pub(crate) own: u64,
    /// How often it woke up.
    pub(crate) wakeups: u64,
}

/// All servers rest at the same time.
pub(crate) fn measure(time: Duration) -> Result<Vec<Idle>> {
    let with_watchdog = MODES.map(|mode| (mode.name().to_owned(), Sticky::new(mode, WORKERS)));
    let without = Sticky::new(Mode::Ebpf, WORKERS).with("--watchdog", "off");
    let options = with_watchdog.into_iter().chain([("ebpf, --watchdog off".into(), without)]);
    let servers: Vec<(String, Sticky)> =
        options.map(|(name, options)| (name, options.start())).collect();
    sleep(SETTLED);
    let before = servers.iter().map(Idle::of_server).collect::<Result<Vec<_>>>()?;
    eprintln!("resting for {time:?}");
    sleep(time);
    let mut idle = Vec::new();
    for (server, before) in servers.into_iter().zip(before) {
        for (now, before) in Idle::of_server(&server)?.into_iter().zip(before) {
            idle.push(Idle { wakeups: now.wakeups.saturating_sub(before.wakeups), ..now });
        }
        server.1.stop();
    }
    Ok(idle)
}

impl Idle {
    /// Supervisor, keeper, and the largest worker, with all their wake-ups so far.
    fn of_server((name, server): &(String, Sticky)) -> Result<Vec<Self>> {
        let all = processes::with_descendants(&[server.pid()]).into_iter();
        let mut all = all.map(|pid| Self::of_process(name, pid)).collect::<Result<Vec<_>>>()?;
        all.sort_by(|a, b| (&a.process, b.resident).cmp(&(&b.process, a.resident)));
        all.dedup_by(|a, b| a.process == b.process);
        Ok(all)
    }

    fn of_process(server: &str, pid: u32) -> Result<Self> {
        let process = Process::new(i32::try_from(pid)?)?;
        let status = process.status()?;
        let own = status.rssanon.context("the kernel does not tell its memory")? * 1024;
        let mut wakeups = 0;
        for task in process.tasks()? {
            wakeups += task?.status()?.voluntary_ctxt_switches.unwrap_or(0);
        }
        let resident = processes::resident_memory(pid)?;
        Ok(Self { server: server.into(), process: status.name, resident, own, wakeups })
    }
}
