//! Starts a worker's process.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};

use command_fds::{CommandFdExt, FdMapping};

use super::Settings;
use super::bus_sockets::BusSockets;
use crate::launch::THIS_BINARY;
use crate::steering::Steering;
use crate::sys::inherited;

/// Variables that concern the supervisor, or one further up, and not its workers.
const NOT_INHERITED: [&str; 9] = [
    "FDSTORE",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "STICKY_BUS",
    "STICKY_FDS",
    "STICKY_ROLLED_BACK",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "MAINPID",
];

/// A process that is going to be a worker.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) pid: u32,
    gate: ChildStdin,
}

impl Launched {
    /// Lets it go on: whoever takes over from this supervisor can find it. Until then it ends when
    /// the supervisor does.
    pub(super) fn go(mut self) -> io::Result<()> {
        self.gate.write_all(b"\n")
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
pub(super) struct Workshop<'a> {
    pub(super) settings: &'a Settings,
    /// The directory of the workers' sockets.
    pub(super) workers: &'a Path,
    pub(super) steering: &'a dyn Steering,
    pub(super) bus: Option<&'a BusSockets>,
}

impl Workshop<'_> {
    /// Starts a worker for `slot`, by way of the launcher (`sticky launch`), which sets
    /// `LISTEN_PID` to its own pid, waits for [`Launched::go`] and becomes the worker. `notify` is the
    /// name of the socket on which it is heard, and `turn` the file that it locks while it accepts.
    pub(super) fn start(self, slot: u32, notify: &str, turn: File) -> io::Result<Launched> {
        let settings = self.settings;
        let mut command = Command::new(THIS_BINARY);
        command.arg0("sticky").args(["launch", "--wait"]);
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
            .env("STICKY_SLOT", slot.to_string())
            .env("STICKY_WORKERS", settings.plan.mapping.slots().to_string())
            .env("STICKY_MODE", self.steering.mode().name())
            .env("STICKY_DRAIN_TIMEOUT", drain_timeout)
            .env("NOTIFY_SOCKET", self.workers.join(notify))
            .stdin(Stdio::piped())
            // Standard output is for what the supervisor says to scripts.
            .stdout(io::stderr().as_fd().try_clone_to_owned()?);
        if let Some(watchdog) = settings.watchdog {
            command.env("WATCHDOG_USEC", watchdog.as_micros().to_string());
        }
        self.pass(&mut command, slot, turn)?;
        let mut child = command.spawn()?;
        let gate = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Launched { pid: child.id(), gate })
    }

    /// The slot's socket as under systemd, so that any program can use it. What only programs that
    /// know of it can use comes behind: one that accepts on all of `LISTEN_FDS` shall not trip.
    fn pass(self, command: &mut Command, slot: u32, turn: File) -> io::Result<()> {
        let mut names = Vec::new();
        let mut descriptors: Vec<OwnedFd> = Vec::new();
        for lent in self.steering.lend(slot)? {
            names.push(lent.name);
            descriptors.push(lent.descriptor);
        }
        names.push("turn");
        descriptors.push(turn.into());
        if let Some(bus) = self.bus {
            names.push("bus");
            descriptors.push(bus.lend(slot)?);
            command.env("STICKY_BUS", self.workers);
        }
        let (first, others) = names.split_first().ok_or(io::ErrorKind::NotFound)?;
        command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", first);
        command.env("STICKY_FDS", others.join(":"));
        let mappings = (inherited::FIRST..).zip(descriptors);
        let mappings = mappings.map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd });
        command.fd_mappings(mappings.collect()).map_err(io::Error::other)?;
        Ok(())
    }
}
