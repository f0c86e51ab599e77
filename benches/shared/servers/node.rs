//! Servers in Node.js: workers that are steered by this project or by the classic recipe, and
//! Socket.IO's own server.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use harness::addresses::free_port;

use super::{Kind, Server};
use crate::processes::Tree;

/// The command line of a worker that inherits its listener.
pub(super) fn worker() -> [OsString; 2] {
    ["node".into(), script("server.mjs").into()]
}

/// A master that accepts and hands over.
pub(super) fn recipe(workers: u32) -> Result<Server> {
    start(Kind::NodeRecipe, "server.mjs", &[workers.to_string()])
}

/// Socket.IO's own server, one process.
pub(super) fn socket_io() -> Result<Server> {
    let library = folder().join("node_modules/socket.io");
    ensure!(library.is_dir(), "no {}: it takes npm (`npm ci` there)", library.display());
    start(Kind::NodeSocketIo, "socketio.mjs", &[])
}

fn start(kind: Kind, name: &str, more: &[String]) -> Result<Server> {
    let port = free_port();
    let mut command = Command::new("node");
    command.arg(script(name)).arg(port.to_string()).args(more).stdin(Stdio::null());
    let process = Tree::spawn(&mut command)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Ok(Server::of_trees(kind, address, vec![process]))
}

fn script(name: &str) -> PathBuf {
    folder().join(name)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("javascript")
}
