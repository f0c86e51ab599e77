//! Starts a worker's process.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use sticky_contract::SlotId;
use tracing::debug;

use super::Settings;
use super::bus_sockets::BusSockets;
use super::lease_files::LeaseFiles;
use super::worker_stderr;
use crate::launch::THIS_BINARY;
use crate::steering::{Lend, Mode};
use sticky_contract::{descriptor, variable};
use sticky_sys::inherited;

/// Variables that concern the supervisor, or one further up, and not its workers.
const NOT_INHERITED: [&str; 10] = [
    "FDSTORE",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    inherited::BEFORE,
    variable::BUS,
    variable::FDS,
    "STICKY_ROLLED_BACK",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "MAINPID",
];

/// How long the guard of a worker may take to tell which process that is going to be.
const PATIENCE: Duration = Duration::from_secs(5);

/// A process that is going to be a worker.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) pid: u32,
    /// Its parent, which ends when nothing of the worker is left.
    guard: Child,
    go: ChildStdin,
}

impl Launched {
    /// Lets the process go on: the next supervisor can find it. Until then it ends when this supervisor
    /// does.
    pub(super) fn go(mut self) -> io::Result<()> {
        self.go.write_all(b"\n")
    }

    /// The pid of its guard.
    pub(super) fn guard(&self) -> u32 {
        self.guard.id()
    }

    /// Ends the process, whose end nobody would notice.
    pub(super) fn abandon(self) {
        abandon(self.guard);
    }
}

/// What becomes a keeper.
pub(super) fn keeper() -> Command {
    let mut command = Command::new(THIS_BINARY);
    command.arg0("sticky").args(["launch", "--", THIS_BINARY, "keep"]);
    for name in NOT_INHERITED {
        command.env_remove(name);
    }
    command
}

/// What all workers are started with.
#[derive(Clone, Copy)]
pub(super) struct Spawner<'a> {
    pub(super) settings: &'a Settings,
    /// The directory of the workers' sockets.
    pub(super) workers: &'a Path,
    pub(super) mode: Mode,
    pub(super) lend: &'a dyn Lend,
    pub(super) bus: Option<&'a BusSockets>,
    pub(super) leases: &'a LeaseFiles,
}

impl Spawner<'_> {
    /// Starts a worker for `slot`, by way of its guard (`sticky guard`), which ends what the worker
    /// leaves, and the launcher (`sticky launch`), which sets `LISTEN_PID` to its own pid, waits for
    /// [`Launched::go`] and becomes the worker. `notify` is the name of the socket on which the supervisor
    /// hears it.
    pub(super) fn start(self, slot: SlotId, notify: &str) -> io::Result<Launched> {
        let settings = self.settings;
        let mut command = Command::new(THIS_BINARY);
        command.arg0("sticky").args(["guard", "--", "--wait"]);
        if let Some(user) = &settings.user {
            command.arg("--user").arg(format!("{}:{}", user.uid(), user.gid()));
        }
        command.arg("--");
        if settings.command.is_empty() {
            command.args([THIS_BINARY, "app"]);
        } else {
            command.args(&settings.command);
        }
        for name in NOT_INHERITED {
            command.env_remove(name);
        }
        let drain_timeout = humantime::format_duration(settings.drain_timeout).to_string();
        command
            .envs(settings.environment.iter().map(|(name, value)| (name, value)))
            .env(variable::SLOT, slot.to_string())
            .env(variable::WORKERS, settings.plan.mapping.slots().to_string())
            .env(variable::MODE, self.mode.name())
            .env(variable::DRAIN_TIMEOUT, drain_timeout)
            .env("NOTIFY_SOCKET", self.workers.join(notify))
            .stdin(Stdio::piped())
            // The guard's alone, on which it tells the worker's pid.
            .stdout(Stdio::piped())
            .stderr(worker_stderr::open()?);
        if let Some(watchdog) = settings.watchdog {
            command.env("WATCHDOG_USEC", watchdog.as_micros().to_string());
        }
        self.pass(&mut command, slot)?;
        let mut guard = command.spawn()?;
        match (told(&mut guard), guard.stdin.take()) {
            (Ok(pid), Some(go)) => Ok(Launched { pid, guard, go }),
            (told, _) => {
                abandon(guard);
                Err(told.err().unwrap_or(io::ErrorKind::BrokenPipe.into()))
            }
        }
    }

    /// The slot's socket as under systemd, so that any program can use it. What only programs that
    /// know of it can use comes behind: a program that accepts on all of `LISTEN_FDS` shall not trip.
    fn pass(self, command: &mut Command, slot: SlotId) -> io::Result<()> {
        let mut names = Vec::new();
        let mut descriptors: Vec<OwnedFd> = Vec::new();
        for lent in self.lend.lend(slot)? {
            names.push(lent.name);
            descriptors.push(lent.descriptor);
        }
        names.push(descriptor::LEASE);
        descriptors.push(self.leases.lend(slot)?.into());
        if let Some(bus) = self.bus {
            names.push(descriptor::BUS);
            descriptors.push(bus.lend(slot)?);
            command.env(variable::BUS, self.workers);
        }
        let (first, others) = names.split_first().ok_or(io::ErrorKind::NotFound)?;
        command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", first);
        command.env(variable::FDS, others.join(":"));
        let mappings = (inherited::FIRST..).zip(descriptors);
        let mappings = mappings.map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd });
        command.fd_mappings(mappings.collect()).map_err(io::Error::other)?;
        Ok(())
    }
}

/// Kills a guard of which no more is to be heard. The worker that it may have started ends when nobody
/// lets it go on.
fn abandon(mut guard: Child) {
    if let Err(error) = guard.kill() {
        debug!("cannot kill a worker's guard: {error}");
    }
    // The kernel may not let go of it. Its parent alone can see to it that it goes for good.
    let waiting = thread::Builder::new().spawn(move || guard.wait());
    if let Err(error) = waiting {
        debug!("cannot wait for a worker's guard: {error}");
    }
}

/// The worker's pid, a line on the guard's standard output.
fn told(guard: &mut Child) -> io::Result<u32> {
    let mut said = guard.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let until = Instant::now() + PATIENCE;
    let mut text = String::new();
    while !text.ends_with('\n') {
        let time = Timespec::try_from(until.saturating_duration_since(Instant::now()));
        let mut ready = [PollFd::new(&said, PollFlags::IN)];
        match poll(&mut ready, Some(&time.unwrap_or_default())) {
            Ok(0) => {
                let why = "the worker's guard did not tell the worker's pid";
                let why = format!("{why} within {PATIENCE:?}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            // A signal, which is taken in later.
            Err(Errno::INTR) => continue,
            polled => polled?,
        };
        // A line is written at once.
        let mut part = [0; 32];
        let length = said.read(&mut part)?;
        if length == 0 {
            return Err(io::Error::other("the worker's guard ended; it said why, if it could"));
        }
        text += &String::from_utf8_lossy(part.get(..length).unwrap_or_default());
    }
    text.trim_end().parse().map_err(io::Error::other)
}
