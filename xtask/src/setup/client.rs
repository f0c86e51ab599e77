//! The Socket.IO client from npm: what browsers load from the server, and what the tests drive.

use anyhow::Result;

use super::npm;
use crate::{exec::say, workspace};

const NAME: &str = "socket.io-client";

pub(super) fn install() -> Result<()> {
    let folder = workspace::root().join("tests/clients");
    npm::install(NAME, &folder)?;
    let file = "socket.io.min.js";
    let built = folder.join("node_modules").join(NAME).join("dist").join(file);
    let product = workspace::products().join(file);
    if workspace::copy_if_changed(&built, &product)? {
        say(NAME, format!("copied to {}", product.display()));
    }
    Ok(())
}
