//! An application that does next to nothing, on sticky's library and on `axum::serve`.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use socket2::Socket;

use super::{Kind, Server, workers};
use crate::listen::group;
use crate::processes::Tree;

/// `axum::serve` on each of a group of listeners.
pub(super) fn stock(workers: u32) -> Result<Server> {
    let (listeners, address) = group(workers)?;
    let program = program()?;
    let start = |(slot, listener): (u32, Socket)| {
        let mut command = Command::new(&program);
        command
            .args(["stock", &slot.to_string()])
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(listener)));
        Tree::spawn(command.stdout(Stdio::null()))
    };
    let workers: Vec<Tree> = (0..).zip(listeners).map(start).collect::<Result<_>>()?;
    Ok(Server::of_trees(Kind::Stock, address, workers))
}

/// Sticky's library on each of a group of listeners, without a supervisor.
pub(super) fn library(workers: u32) -> Result<Server> {
    let (listeners, address) = group(workers)?;
    let workers = workers::start(listeners, &[program()?.into()])?;
    Ok(Server::of_trees(Kind::Library, address, workers))
}

/// Cargo puts it beside the folder of this bench.
pub(super) fn program() -> Result<PathBuf> {
    let bench = env::current_exe().context("this bench has no path")?;
    let folder = bench.ancestors().nth(2).context("this bench is not in target/PROFILE/deps")?;
    let program = folder.join("sticky-bench-server");
    ensure!(
        program.is_file(),
        "no {}; build it: cargo build --release -p sticky-benches",
        program.display()
    );
    Ok(program)
}
