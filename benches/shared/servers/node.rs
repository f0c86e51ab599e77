//! Workers in Node.js: steered by this project, or by the classic recipe.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;
use harness::addresses::free_port;

use super::{Kind, Server};
use crate::processes::Tree;

/// The command line of a worker that inherits its listener.
pub(super) fn worker() -> [OsString; 2] {
    ["node".into(), script().into()]
}

/// A master that accepts and hands over.
pub(super) fn recipe(workers: u32) -> Result<Server> {
    let port = free_port();
    let mut command = Command::new("node");
    command.arg(script()).args([port.to_string(), workers.to_string()]).stdin(Stdio::null());
    let master = Tree::spawn(&mut command)?;
    let (address, roots) = (SocketAddr::from((Ipv4Addr::LOCALHOST, port)), vec![master.pid()]);
    Ok(Server { kind: Kind::NodeRecipe, address, roots, _running: Box::new(master) })
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("javascript/server.mjs")
}
