//! Packages of Debian and its relatives.

use std::{path::Path, process::Command};

use anyhow::{Result, anyhow, bail};

use crate::exec::{find, say, stdout};

/// apt-get, whose lists are brought up to date at most once, and only when something is missing.
#[derive(Default)]
pub(super) struct Apt {
    updated: bool,
}

impl Apt {
    /// Installs packages, or fails with what to do `by_hand`.
    pub(super) fn install(&mut self, packages: &[&str], by_hand: &str) -> Result<()> {
        self.try_install(packages)
            .map_err(|error| anyhow!("cannot install {}: {error:#}\n{by_hand}", packages.join(" ")))
    }

    fn try_install(&mut self, packages: &[&str]) -> Result<()> {
        if find("apt-get").is_none() {
            bail!("apt-get is not on this host");
        }
        if !self.updated {
            let mut update = as_root()?;
            say("apt", "bringing the package lists up to date");
            // One broken source among many need not matter: the next step tells.
            if let Err(error) = stdout(update.args(["apt-get", "-q", "update"])) {
                say("apt", format!("WARNING: {error:#}"));
            }
            self.updated = true;
        }
        say("apt", format!("installing {}", packages.join(" ")));
        let output = stdout(
            as_root()?
                // Runlevel 1 tells packages that bring a service not to start it.
                .args(["RUNLEVEL=1", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"])
                .args(["-o", "DPkg::Lock::Timeout=300", "--no-install-recommends", "install"])
                .args(packages),
        )?;
        say("apt", format!("installed {}", installed(&output).join(", ")));
        Ok(())
    }
}

/// Ends the service that a package of ours brought, where systemd may have started it.
pub(super) fn stop_service(service: &str) -> Result<()> {
    if Path::new("/run/systemd/system").exists() {
        say(service, "stopping the service that came with the package: the tests start their own");
        stdout(as_root()?.args(["systemctl", "disable", "--now", service]))?;
    }
    Ok(())
}

/// `env`, to be followed by a command line, with root's rights and with messages in English.
fn as_root() -> Result<Command> {
    let mut command = if rustix::process::geteuid().is_root() {
        Command::new("env")
    } else if find("sudo").is_some() && stdout(Command::new("sudo").args(["-n", "true"])).is_ok() {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "env"]);
        sudo
    } else {
        return Err(anyhow!("that takes root, or a sudo that does not ask for a password"));
    };
    command.arg("LC_ALL=C");
    Ok(command)
}

/// `package version` of everything that apt-get says it set up.
fn installed(output: &str) -> Vec<String> {
    let set_up = output.lines().filter_map(|line| line.strip_prefix("Setting up "));
    set_up.map(|package| package.trim_end_matches([' ', '.']).replace(['(', ')'], "")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_was_set_up() {
        let output = "Unpacking b (2) ...\nSetting up a (1:2.3-4) ...\nSetting up b:amd64 (2) ...\nProcessing\n";
        assert_eq!(installed(output), ["a 1:2.3-4", "b:amd64 2"]);
    }
}
