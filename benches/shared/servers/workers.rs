//! Workers on given listeners, without a supervisor.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use anyhow::Result;
use command_fds::{CommandFdExt as _, FdMapping};
use harness::binaries;
use socket2::Socket;

use crate::processes::Tree;

/// Where the first passed descriptor is (`LISTEN_FDS`).
const FIRST_DESCRIPTOR: i32 = 3;

/// The command line of the reference application.
pub(super) fn reference() -> [OsString; 2] {
    [binaries::sticky().into(), "app".into()]
}

/// A worker with that command line per listener.
pub(super) fn start(listeners: Vec<Socket>, program: &[OsString]) -> Result<Vec<Tree>> {
    let workers = listeners.len();
    let start = |(slot, listener): (u32, Socket)| worker(slot, workers, listener.into(), program);
    (0..).zip(listeners).map(start).collect()
}

fn worker(slot: u32, workers: usize, listener: OwnedFd, program: &[OsString]) -> Result<Tree> {
    let mut command = Command::new(binaries::sticky());
    // `launch` tells the worker its own process id, as `sticky run` does.
    command.args(["launch", "--"]).args(program);
    command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "listener");
    command.env("STICKY_SLOT", slot.to_string()).env("STICKY_WORKERS", workers.to_string());
    command.env("STICKY_MODE", "plain");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.fd_mappings(vec![FdMapping { parent_fd: listener, child_fd: FIRST_DESCRIPTOR }])?;
    Tree::spawn(&mut command)
}
