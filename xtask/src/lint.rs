//! `cargo xtask lint`: what can be said about the code without running it.

use std::env;

use anyhow::{Result, bail};

use crate::{
    cargo,
    exec::{self, say},
    setup::musl,
    test::REQUIRE_ALL,
    tidy,
};

/// Check house rules, formatting, clippy and documentation
///
/// In this order, the quick ones first: `cargo xtask tidy`, `cargo fmt --check`, clippy with
/// warnings as errors, documentation without warnings; and whether sticky builds for musl, where
/// `cargo xtask setup musl` has been. Nothing is changed.
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
    )?;
    check_for_musl()
}

fn check_for_musl() -> Result<()> {
    let target = musl::target();
    if musl::is_installed() {
        say("lint", format!("a build for {target}"));
        return exec::run(cargo::here().args([
            "check",
            "--package",
            "sticky-user",
            "--target",
            &target,
        ]));
    }
    let missing = format!("{target} is not installed; `cargo xtask setup musl` does it");
    if env::var_os(REQUIRE_ALL).is_some() {
        bail!(missing);
    }
    say("lint", format!("WARNING: whether sticky builds for musl is SKIPPED: {missing}"));
    Ok(())
}
