//! The reference application on given listeners, without a supervisor.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use command_fds::{CommandFdExt as _, FdMapping};
use harness::binaries;
use socket2::{Domain, Socket, Type};

use crate::processes::Tree;

/// Connections that may wait, as in `sticky run`.
const BACKLOG: i32 = 4096;
/// Where the first passed descriptor is (`LISTEN_FDS`).
const FIRST_DESCRIPTOR: i32 = 3;

/// A listener on the loopback address; port 0 takes a free one.
pub(super) fn listen(port: u16) -> Result<(Socket, SocketAddr)> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(BACKLOG)?;
    let address = socket.local_addr()?.as_socket();
    let address = address.context("the listener has no address of IPv4 or IPv6")?;
    Ok((socket, address))
}

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
