//! cargo-deny: checks licences, sources and versions of what sticky is built from (`deny.toml`).

use std::path::PathBuf;
use std::{env, fs};

use anyhow::{Context as _, Result};

use super::cache;
use crate::cargo;
use crate::exec::{find, run, say};

const NAME: &str = "cargo-deny";
const VERSION: &str = "0.20.2";

/// Where it is: on PATH, or built earlier.
pub(crate) fn installed() -> Option<PathBuf> {
    find(NAME).or_else(|| {
        let built = folder().ok()?.join("bin").join(NAME);
        built.is_file().then_some(built)
    })
}

/// Where its database of advisories is, which nothing here fetches.
pub(crate) fn advisories() -> Option<PathBuf> {
    let cargo = env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo = cargo.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")))?;
    let databases = cargo.join("advisory-dbs");
    // A fetch that failed leaves an empty folder.
    let mut found = fs::read_dir(&databases).ok()?.flatten();
    found.any(|database| database.path().join("crates").is_dir()).then_some(databases)
}

pub(super) fn install() -> Result<()> {
    if let Some(program) = installed() {
        say(NAME, program.display().to_string());
        return Ok(());
    }
    let root = folder()?;
    say(NAME, format!("building {VERSION} into {} (a few minutes)", root.display()));
    fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
    // Without optimization: it runs for a second, and takes minutes to build.
    run(cargo::apart()
        .current_dir(&root)
        .args(["install", NAME, "--version", VERSION, "--locked", "--debug", "--quiet", "--root"])
        .arg(&root))
}

fn folder() -> Result<PathBuf> {
    cache::folder(&format!("{NAME}-{VERSION}"))
}
