//! The process that is the clients of one server, seen from the bench.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum as _;
use sticky_benches::processes::Tree;

use crate::kind::Kind;

/// For tens of thousands of connections on a machine that is busy. Each step of one has a limit of its own.
const PATIENCE: Duration = Duration::from_mins(5);

/// Dropped, it is killed.
pub(crate) struct Crowd {
    process: Tree,
    control: BufReader<UnixStream>,
    who: String,
}

impl Crowd {
    /// Without connections yet.
    pub(crate) fn start(kind: Kind, server: SocketAddr, name: &str) -> Result<Self> {
        let (control, of_clients) = UnixStream::pair()?;
        control.set_read_timeout(Some(PATIENCE))?;
        let value = kind.to_possible_value().context("a kind of connection without a name")?;
        let mut command = Command::new(env::current_exe().context("this bench has no path")?);
        command.args(["--client", value.get_name(), "--address", &server.to_string()]);
        command.stdin(Stdio::from(OwnedFd::from(of_clients))).stderr(Stdio::null());
        let process = Tree::spawn(&mut command)?;
        Ok(Self { process, control: BufReader::new(control), who: format!("clients of {name}") })
    }

    /// Opens connections from the addresses with these numbers, and returns when all have joined.
    pub(crate) fn open(&mut self, from: usize, to: usize) -> Result<()> {
        self.ask(&format!("open {from} {to}")).map(drop)
    }

    /// The pings that were answered so far; an error when a connection has ended.
    pub(crate) fn pings(&mut self) -> Result<usize> {
        self.ask("pings")
    }

    fn ask(&mut self, question: &str) -> Result<usize> {
        let Self { process, control, who } = self;
        // Clients that have ended have said why, so reading tells more.
        let _ = control.get_mut().write_all(format!("{question}\n").as_bytes());
        let mut answer = String::new();
        control.read_line(&mut answer).with_context(|| {
            format!("no answer by the {who} to `{question}` within {PATIENCE:?}")
        })?;
        match answer.trim_end().split_once(' ') {
            Some(("ok", pings)) => pings.parse().context("not a number of pings"),
            Some(("error", why)) => bail!("{who}: {why}"),
            _ => bail!("the {who} (process {}) ended at `{question}`", process.pid()),
        }
    }
}
