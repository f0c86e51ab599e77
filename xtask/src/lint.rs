//! `cargo xtask lint`: what can be said about the code without running it.

use anyhow::Result;

use crate::{
    cargo,
    exec::{self, say},
    tidy,
};

/// Check house rules, formatting, clippy and documentation
///
/// In this order, the quick ones first: `cargo xtask tidy`, `cargo fmt --check`, clippy with
/// warnings as errors, documentation without warnings. Nothing is changed.
#[derive(clap::Args)]
pub(crate) struct Options {}

pub(crate) fn run(_: &Options) -> Result<()> {
    tidy::check()?;
    say("lint", "formatting");
    exec::run(cargo::here().args(["fmt", "--all", "--check"]))?;
    say("lint", "clippy");
    exec::run(cargo::here().args(["clippy", "--workspace", "--all-targets", "--", "-Dwarnings"]))?;
    say("lint", "documentation");
    exec::run(
        cargo::here().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-Dwarnings"),
    )
}
