//! The nightly toolchain: only it builds `core` for the kernel's target.

use std::{env, path::Path, process::Command};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::exec::{find, say, stdout};

/// The user's choice of a toolchain, when the one at hand makes trouble.
pub(super) const CHOICE: &str = "STICKY_NIGHTLY";
/// Installed where there is no nightly at all. It has LLVM 22, which Debian packages; the newest
/// nightly may have an LLVM that no distribution has yet.
pub(super) const KNOWN_GOOD: &str = "nightly-2026-05-20";

pub(super) struct Nightly {
    /// As rustup names it.
    pub(super) toolchain: String,
    /// Major version of the LLVM inside its rustc.
    pub(super) llvm: u32,
}

pub(super) fn install() -> Result<Nightly> {
    if find("rustup").is_none() {
        bail!(
            "rustup is not on PATH. The kernel program needs a nightly Rust with rust-src beside the \
             stable one: install rustup (rustup.rs)"
        );
    }
    let toolchain = choose();
    let name = toolchain.as_str();
    let by_hand = "rustup has to install it; without a way to its server, do that by hand";

    if !is_installed(name) {
        say(name, "installing the toolchain");
        stdout(
            Command::new("rustup")
                .args(["toolchain", "install", name, "--profile", "minimal"])
                .args(["--component", "rust-src", "--no-self-update"]),
        )
        .context(by_hand)?;
    }
    let about = rustc(name, &["--version", "--verbose"])?;
    let llvm = llvm_major(&about)
        .ok_or_else(|| anyhow!("rustc of toolchain {name} does not tell its LLVM:\n{about}"))?;
    let version = about.lines().next().unwrap_or_default();
    say(name, format!("{version}, LLVM {llvm}"));

    let sysroot = rustc(name, &["--print", "sysroot"])?;
    let core = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core/Cargo.toml");
    if core.is_file() {
        say("rust-src", "is there");
    } else {
        say("rust-src", "installing");
        stdout(Command::new("rustup").args(["component", "add", "rust-src", "--toolchain", name]))
            .context(by_hand)?;
    }
    Ok(Nightly { toolchain, llvm })
}

/// What the user says, or a nightly that is there, or the one to be installed.
fn choose() -> String {
    let here = || ["nightly", KNOWN_GOOD].into_iter().find(|name| is_installed(name));
    env::var(CHOICE).unwrap_or_else(|_| here().unwrap_or(KNOWN_GOOD).to_owned())
}

fn is_installed(toolchain: &str) -> bool {
    rustc(toolchain, &["--version"]).is_ok()
}

fn rustc(toolchain: &str, args: &[&str]) -> Result<String> {
    // What is missing is installed here, with the components that we need, and not in passing.
    let mut rustup = Command::new("rustup");
    stdout(rustup.env("RUSTUP_AUTO_INSTALL", "0").args(["run", toolchain, "rustc"]).args(args))
}

fn llvm_major(about_rustc: &str) -> Option<u32> {
    let version = about_rustc.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_llvms_version() {
        assert_eq!(llvm_major("rustc 1.97.0-nightly\nhost: x\nLLVM version: 22.1.4\n"), Some(22));
        assert_eq!(llvm_major("rustc 1.97.0-nightly\n"), None);
    }
}
