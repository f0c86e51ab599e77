//! The reference application on given listeners, without a supervisor.

use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use anyhow::Result;
use command_fds::{CommandFdExt as _, FdMapping};
use harness::binaries;
use socket2::Socket;

use crate::processes::Tree;

/// Where the first passed descriptor is (`LISTEN_FDS`).
const FIRST_DESCRIPTOR: i32 = 3;

/// A worker per listener.
pub(super) fn start(listeners: Vec<Socket>) -> Result<Vec<Tree>> {
    let workers = listeners.len();
    (0..).zip(listeners).map(|(slot, listener)| worker(slot, workers, listener.into())).collect()
}

fn worker(slot: u32, workers: usize, listener: OwnedFd) -> Result<Tree> {
    let sticky = binaries::sticky();
    let mut command = Command::new(&sticky);
    // `launch` tells the worker its own process id, as `sticky run` does.
    command.args(["launch", "--"]).arg(&sticky).arg("app");
    command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "listener");
    command.env("STICKY_SLOT", slot.to_string()).env("STICKY_WORKERS", workers.to_string());
    command.env("STICKY_MODE", "plain");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.fd_mappings(vec![FdMapping { parent_fd: listener, child_fd: FIRST_DESCRIPTOR }])?;
    Tree::spawn(&mut command)
}
