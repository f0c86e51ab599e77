//! Chromium: the browser of the test that runs the page as a user does.

use std::process::Command;

use anyhow::Result;

use super::apt::Apt;
use crate::exec::{find, say, stdout};

const NAME: &str = "chromium";
const BY_HAND: &str = "Install Chromium by hand, so that it is on PATH under the name `chromium`";

pub(super) fn install(apt: &mut Apt) -> Result<()> {
    if find(NAME).is_none() {
        apt.install(&[NAME], BY_HAND)?;
    }
    let version = stdout(Command::new(NAME).arg("--version"))?;
    say(NAME, version.trim());
    Ok(())
}
