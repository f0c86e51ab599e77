//! bpf-linker: reads the bitcode that rustc writes, so its LLVM must not be older than rustc's.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, anyhow, bail};

use super::{apt::Apt, cache, llvm, nightly};
use crate::{
    cargo,
    exec::{find, run, say, stdout},
};

const NAME: &str = "bpf-linker";
const VERSION: &str = "0.13.0";

/// Gives a bpf-linker for bitcode of this LLVM: the one on PATH, one built earlier, or a new one.
pub(super) fn install(apt: &mut Apt, llvm: u32) -> Result<PathBuf> {
    if let Some(linker) = find(NAME) {
        match llvm_of(&linker) {
            Ok(own) if own >= llvm => {
                say(NAME, format!("{} with LLVM {own}", linker.display()));
                return Ok(linker);
            }
            Ok(own) => say(NAME, format!("not {}: its LLVM is {own}", linker.display())),
            Err(error) => say(NAME, format!("not {}: {error:#}", linker.display())),
        }
    }
    let root = cache::folder(&format!("{NAME}-{VERSION}-llvm-{llvm}"))?;
    let linker = root.join("bin").join(NAME);
    // A file that is there may still not run: its LLVM may have been uninstalled.
    if llvm_of(&linker).is_ok_and(|own| own == llvm) {
        say(NAME, format!("{VERSION} with LLVM {llvm} in {}", root.display()));
        return Ok(linker);
    }
    let prefix = llvm::install(apt, llvm)?;
    build(&root, llvm, &prefix)?;
    match llvm_of(&linker) {
        Ok(own) if own == llvm => Ok(linker),
        Ok(own) => {
            bail!("{} was to be built with LLVM {llvm} and has LLVM {own}", linker.display())
        }
        Err(error) => {
            Err(error.context(format!("{} was built, but does not run", linker.display())))
        }
    }
}

fn build(root: &Path, llvm: u32, prefix: &Path) -> Result<()> {
    say(
        NAME,
        format!("building {VERSION} with LLVM {llvm} into {} (about a minute)", root.display()),
    );
    fs::create_dir_all(root).with_context(|| format!("cannot make {}", root.display()))?;
    let mut cargo = cargo::apart();
    cargo
        .current_dir(root)
        .args(["install", NAME, "--version", VERSION, "--locked", "--force", "--quiet"])
        .args(["--no-default-features", "--features", &format!("llvm-{llvm}"), "--root"])
        .arg(root)
        .env(llvm::PREFIX, prefix);
    run(&mut cargo).with_context(|| {
        format!(
            "{NAME} could not be built; if {VERSION} does not know LLVM {llvm}, choose an older \
             compiler: {}={}",
            nightly::CHOICE,
            nightly::KNOWN_GOOD
        )
    })
}

/// The major version of the LLVM that a bpf-linker carries or is linked to.
fn llvm_of(linker: &Path) -> Result<u32> {
    // LLVM itself answers --version and ends the process before any input is looked at.
    let answer = stdout(Command::new(linker).args([
        "--llvm-args=--version",
        "--output",
        "/dev/null",
        "/dev/null",
    ]))?;
    major(&answer)
        .ok_or_else(|| anyhow!("it does not tell the version of its LLVM, but says: {answer}"))
}

fn major(answer: &str) -> Option<u32> {
    let (_, version) = answer.split_once("LLVM version ")?;
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_llvms_version() {
        assert_eq!(major("Debian LLVM version 22.1.8\n  Optimized build.\n"), Some(22));
        assert_eq!(major("LLVM (http://llvm.org/):\n  LLVM version 23.1.0-rust\n"), Some(23));
        assert_eq!(major("bpf-linker 0.13.0"), None);
    }
}
