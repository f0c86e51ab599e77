//! What sticky is compared with: proxies, and a hash from npm. A bench does without what is missing.

use anyhow::Result;

use super::{
    apt::{self, Apt},
    npm,
};
use crate::{
    exec::{find, say},
    workspace,
};

/// nginx and HAProxy.
pub(super) fn proxies(apt: &mut Apt) {
    for name in ["nginx", "haproxy"] {
        if find(name).is_some() {
            say(name, "is there");
        } else if let Err(error) = proxy(apt, name) {
            say(name, format!("WARNING: not there, so it is not measured: {error:#}"));
        }
    }
}

fn proxy(apt: &mut Apt, name: &str) -> Result<()> {
    apt.install(&[name], &format!("Install {name} by hand, so that it is on PATH"))?;
    apt::stop_service(name)
}

/// farmhash for Node.js.
pub(super) fn farmhash() {
    if let Err(error) = npm::install("farmhash", &workspace::root().join("benches/javascript")) {
        say("farmhash", format!("WARNING: not there, so it is not compared: {error:#}"));
    }
}
