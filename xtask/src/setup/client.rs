//! The Socket.IO client from npm: what browsers load from the server, and what the tests drive.

use std::{fs, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{
    exec::{find, say, stdout},
    workspace,
};

const NAME: &str = "socket.io-client";

pub(super) fn install() -> Result<()> {
    let folder = workspace::root().join("tests/clients");
    let lock = folder.join("package-lock.json");
    let wanted = fs::read(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    // A copy of the lock by which the packages were installed. `npm ci` begins with removing the
    // folder, so after an interrupted one there is none.
    let stamp = folder.join("node_modules/.installed-by-lock.json");

    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        say(NAME, "is there");
    } else {
        if find("npm").is_none() || find("node").is_none() {
            bail!(
                "npm or node is not on PATH. Install Node.js 20 or later with npm \
                 (Debian, Ubuntu: nodejs and npm)"
            );
        }
        say(NAME, format!("installing with npm in {}", folder.display()));
        stdout(
            Command::new("npm")
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                .current_dir(&folder),
        )?;
        fs::write(&stamp, &wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    }

    let file = "socket.io.min.js";
    let built = folder.join("node_modules").join(NAME).join("dist").join(file);
    let product = workspace::products().join(file);
    if workspace::copy_if_changed(&built, &product)? {
        say(NAME, format!("copied to {}", product.display()));
    }
    Ok(())
}
