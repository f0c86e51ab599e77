//! Starts a worker's process.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Stdio;

use command_fds::{CommandFdExt, FdMapping};
use tokio::process::{Child, Command};

use super::Settings;
use super::bus_sockets::BusSockets;
use crate::steering::Steering;

/// The running binary itself, even where its file has been replaced.
pub const THIS_BINARY: &str = "/proc/self/exe";

/// The number of the first passed descriptor (`SD_LISTEN_FDS_START`).
const FIRST_DESCRIPTOR: i32 = 3;

/// Variables that concern the supervisor, or one further up, and not its workers.
const NOT_INHERITED: [&str; 5] =
    ["LISTEN_PID", "LISTEN_PIDFDID", "STICKY_BUS", "WATCHDOG_PID", "WATCHDOG_USEC"];

/// Starts a worker for `slot`, by way of the launcher (`sticky launch`), which sets `LISTEN_PID`
/// to its own pid and becomes the worker.
pub(super) fn worker(
    settings: &Settings,
    steering: &dyn Steering,
    bus: Option<&BusSockets>,
    slot: u32,
    notify: &Path,
) -> io::Result<Child> {
    let lent = steering.lend(slot)?;
    let mut names = lent.name.to_string();
    let mut descriptors = vec![lent.descriptor];
    let mut command = Command::new(THIS_BINARY);
    command.arg0("sticky").args(["launch", "--"]);
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
        .env("STICKY_MODE", steering.mode().name())
        .env("STICKY_DRAIN_TIMEOUT", drain_timeout)
        .env("NOTIFY_SOCKET", notify)
        .stdin(Stdio::null())
        // Standard output is for what the supervisor says to scripts.
        .stdout(io::stderr().as_fd().try_clone_to_owned()?)
        // Ctrl-C at a terminal reaches the supervisor only, which then ends its workers in order.
        .process_group(0);
    if let Some(bus) = bus {
        names.push_str(":bus");
        descriptors.push(bus.lend(slot)?);
        command.env("STICKY_BUS", bus.directory());
    }
    command.env("LISTEN_FDS", descriptors.len().to_string()).env("LISTEN_FDNAMES", names);
    let mappings = (FIRST_DESCRIPTOR..).zip(descriptors);
    let mappings = mappings.map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd });
    command.fd_mappings(mappings.collect()).map_err(io::Error::other)?;
    command.spawn()
}
