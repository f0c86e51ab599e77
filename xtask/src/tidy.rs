//! `cargo xtask tidy`: the house rules that a program can check. One file per rule.

mod length;
mod sleep;
mod source;

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{
    exec::{say, stdout},
    workspace,
};
use source::{Finding, Source};

/// Check the house rules
///
/// Looks at every Rust file that git knows or would add:
///
///   length  a file has at most 300 lines
///   sleep   only with a comment that contains `real delay:` and says why waiting for
///           an event is not possible
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {}

pub(crate) fn run(_: &Options) -> Result<()> {
    check()
}

type Rule = fn(&Source<'_>) -> Vec<Finding>;

const RULES: &[Rule] = &[length::check, sleep::check];

/// Prints what breaks a rule, and fails when something does.
pub(crate) fn check() -> Result<()> {
    let files = files()?;
    let mut findings = 0;
    for path in &files {
        let file = workspace::root().join(path);
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        for (line, message) in findings_in(path, &text) {
            eprintln!("{path}:{line}: {message}");
            findings += 1;
        }
    }
    if findings > 0 {
        bail!(
            "tidy: {findings} places break a house rule; `cargo xtask tidy --help` tells the rules"
        );
    }
    say("tidy", format!("{} files keep the house rules", files.len()));
    Ok(())
}

fn findings_in(path: &str, text: &str) -> Vec<Finding> {
    match Source::read(path, text) {
        Ok(source) => RULES.iter().flat_map(|rule| rule(&source)).collect(),
        Err(error) => vec![(1, format!("not readable as Rust: {error}"))],
    }
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
    fn what_is_not_rust_is_a_finding() {
        assert_eq!(findings_in("a.rs", "fn a( {").len(), 1);
        assert!(findings_in("a.rs", "fn a() {}").is_empty());
    }

    #[test]
    fn this_file_is_among_those_looked_at() {
        assert!(files().unwrap().iter().any(|file| file == "xtask/src/tidy.rs"));
    }
}
