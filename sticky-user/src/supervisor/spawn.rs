//! Starts a worker's process.

use std::io;
use std::path::Path;

use command_fds::{CommandFdExt, FdMapping};
use tokio::process::{Child, Command};

use super::Settings;
use crate::steering::Steering;

/// The running binary itself, even where its file has been replaced.
pub const THIS_BINARY: &str = "/proc/self/exe";

/// The number of the first passed descriptor (`SD_LISTEN_FDS_START`).
const FIRST_DESCRIPTOR: i32 = 3;

/// Variables of a service manager that concern the supervisor and not its workers.
const NOT_INHERITED: [&str; 4] = ["LISTEN_PID", "LISTEN_PIDFDID", "WATCHDOG_PID", "WATCHDOG_USEC"];

/// Starts a worker for `slot`, by way of the launcher (`sticky launch`), which sets `LISTEN_PID`
/// to its own pid and becomes the worker.
pub(super) fn worker(
    settings: &Settings,
    steering: &dyn Steering,
    slot: u32,
    notify: &Path,
) -> io::Result<Child> {
    let lent = steering.lend(slot)?;
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
        .env("LISTEN_FDS", "1")
        .env("LISTEN_FDNAMES", lent.name)
        .stdin(std::process::Stdio::null())
        // Ctrl-C at a terminal reaches the supervisor only, which then ends its workers in order.
        .process_group(0);
    let mapping = FdMapping { parent_fd: lent.descriptor, child_fd: FIRST_DESCRIPTOR };
    command.fd_mappings(vec![mapping]).map_err(io::Error::other)?;
    command.spawn()
}
