//! What sticky is compared with: proxies, and packages of npm. A bench does without what is missing.

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

/// farmhash and Socket.IO's server for Node.js.
pub(super) fn javascript() {
    let name = "farmhash, socket.io";
    if let Err(error) = npm::install(name, &workspace::root().join("benches/javascript")) {
        say(name, format!("WARNING: not there, so they are not compared: {error:#}"));
    }
}
