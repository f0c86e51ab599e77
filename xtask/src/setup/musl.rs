//! The target without glibc: `cargo xtask lint` checks that sticky builds for it.

use std::env::consts::ARCH;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::apt::Apt;
use crate::exec::{find, say, stdout};

/// Its C compiler, for the parts of dependencies that are in C.
const COMPILER: &str = "musl-gcc";

/// As rustup names it.
pub(crate) fn target() -> String {
    format!("{ARCH}-unknown-linux-musl")
}

/// Whether all is there that it takes.
pub(crate) fn is_installed() -> bool {
    let installed = stdout(Command::new("rustup").args(["target", "list", "--installed"]));
    let target = target();
    find(COMPILER).is_some()
        && installed.is_ok_and(|targets| targets.lines().any(|line| line == target))
}

pub(super) fn install(apt: &mut Apt) -> Result<()> {
    let target = target();
    if find(COMPILER).is_none() {
        apt.install(&["musl-tools"], "Install musl-gcc by hand, so that it is on PATH")?;
    }
    if is_installed() {
        say(&target, "is there");
        return Ok(());
    }
    say(&target, "installing");
    stdout(Command::new("rustup").args(["target", "add", &target]))
        .context("rustup has to install it; without a way to its server, do that by hand")
        .map(drop)
}
