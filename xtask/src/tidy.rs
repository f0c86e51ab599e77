//! `cargo xtask tidy`: the house rule that neither the compiler nor clippy knows.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::exec::{say, stdout};
use crate::workspace;

/// Small files, one purpose each.
const MOST_LINES: usize = 300;

/// Check that no Rust file has more than 300 lines
///
/// Looks at every one that git knows or would add. The other house rules are checked by clippy (see
/// clippy.toml) and cargo-deny (deny.toml): `cargo xtask lint`.
#[derive(clap::Args)]
pub(crate) struct Options {}

pub(crate) fn run(_: &Options) -> Result<()> {
    check()
}

/// Names the files that are too long, and fails when there are any.
pub(crate) fn check() -> Result<()> {
    let files = files()?;
    let mut too_long = 0;
    for path in &files {
        let file = workspace::root().join(path);
        let text = std::fs::read_to_string(&file);
        let lines =
            text.with_context(|| format!("cannot read {}", file.display()))?.lines().count();
        if lines > MOST_LINES {
            eprintln!(
                "{path}: {lines} lines, at most {MOST_LINES} are allowed: split it by purpose"
            );
            too_long += 1;
        }
    }
    if too_long > 0 {
        bail!("tidy: {too_long} files are too long");
    }
    say("tidy", format!("{} files have at most {MOST_LINES} lines", files.len()));
    Ok(())
}

/// Tracked files and those that could be added, without those that were deleted just now.
fn files() -> Result<Vec<String>> {
    let root = workspace::root();
    let names = stdout(
        Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.rs"])
            .current_dir(&root),
    )?;
    let names = names.split_terminator('\0').filter(|name| Path::new(&root).join(name).is_file());
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    if names.is_empty() {
        bail!("git lists no Rust file in {}", root.display());
    }
    names.sort();
    names.dedup();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_file_is_among_those_looked_at() {
        assert!(files().unwrap().iter().any(|file| file == "xtask/src/tidy.rs"));
    }
}
