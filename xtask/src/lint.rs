//! `cargo xtask lint`: what can be said about the code without running it.

use std::env;
use std::process::Command;

use anyhow::{Result, bail};

use crate::{
    cargo,
    exec::{self, say},
    setup::{deny, musl},
    test::REQUIRE_ALL,
    tidy, workspace,
};

/// What an outsider depends on or installs.
const PUBLISHED: [&str; 6] =
    ["sticky-sys", "sticky-contract", "sticky-bus", "sticky-worker", "sticky-ebpf", "sticky-user"];

/// Check house rules, formatting, clippy and documentation
///
/// In this order, the quick ones first: `cargo xtask tidy`, `cargo fmt --check`, licences and versions
/// of dependencies (where `cargo xtask setup deny` has been), clippy with warnings as errors,
/// documentation without warnings, whether the crates can be packaged; and whether sticky builds for
/// musl, where `cargo xtask setup musl` has been. Nothing is changed.
#[derive(clap::Args)]
pub(crate) struct Options {}

pub(crate) fn run(_: &Options) -> Result<()> {
    tidy::check()?;
    say("lint", "formatting");
    exec::run(cargo::here().args(["fmt", "--all", "--check"]))?;
    check_dependencies()?;
    say("lint", "clippy");
    exec::run(cargo::here().args(["clippy", "--workspace", "--all-targets", "--", "-Dwarnings"]))?;
    say("lint", "documentation");
    exec::run(
        cargo::here().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-Dwarnings"),
    )?;
    say("lint", "packages");
    let packages = PUBLISHED.iter().flat_map(|package| ["--package", package]);
    let package = ["package", "--quiet", "--no-verify", "--allow-dirty"];
    exec::run(cargo::here().args(package).args(packages))?;
    check_for_musl()
}

fn check_dependencies() -> Result<()> {
    let Some(deny) = deny::installed() else {
        return skip("licences and versions of dependencies", "cargo-deny", "deny");
    };
    say("lint", "dependencies");
    let mut check = Command::new(deny);
    check.current_dir(workspace::root()).args(["--offline", "--log-level=error", "check"]);
    check.args(["bans", "licenses", "sources"]);
    if deny::advisories().is_some() {
        check.arg("advisories");
    } else {
        say("lint", "no advisories: there is no database of them (`cargo deny fetch` gets one)");
    }
    exec::run(&mut check)
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
    skip("whether sticky builds for musl", &target, "musl")
}

/// A failure where everything is to be checked.
fn skip(check: &str, missing: &str, setup: &str) -> Result<()> {
    let missing = format!("{missing} is not installed; `cargo xtask setup {setup}` does it");
    if env::var_os(REQUIRE_ALL).is_some() {
        bail!(missing);
    }
    say("lint", format!("WARNING: {check}: SKIPPED, {missing}"));
    Ok(())
}
