//! Packages of npm, as a folder's lock names them.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::exec::{find, say, stdout};

/// Installs what the lock of `folder` names; `name` is what it is wanted for.
pub(super) fn install(name: &str, folder: &Path) -> Result<()> {
    let lock = folder.join("package-lock.json");
    let wanted = fs::read(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    // A copy of the lock by which the packages were installed. `npm ci` begins with removing the
    // folder, so after an interrupted one there is none.
    let stamp = folder.join("node_modules/.installed-by-lock.json");

    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        say(name, "is there");
        return Ok(());
    }
    if find("npm").is_none() || find("node").is_none() {
        bail!(
            "npm or node is not on PATH. Install Node.js 20 or later with npm \
             (Debian, Ubuntu: nodejs and npm)"
        );
    }
    say(name, format!("installing with npm in {}", folder.display()));
    stdout(
        Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(folder),
    )?;
    fs::write(&stamp, &wanted).with_context(|| format!("cannot write {}", stamp.display()))
}
