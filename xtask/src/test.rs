//! `cargo xtask test`: every test, with all that they need on this host.

use std::env;
use std::ffi::OsString;
use std::num::NonZero;
use std::thread::available_parallelism;

use anyhow::Result;

use crate::{
    build_ebpf, cargo,
    exec::{self, say},
    setup,
};

/// Set by us, read by the tests: fail where something is missing, instead of skipping.
pub(crate) const REQUIRE_ALL: &str = "STICKY_REQUIRE_ALL";

/// How many tests run side by side, for the test programs of Rust.
const THREADS: &str = "RUST_TEST_THREADS";

/// Run all tests, unit tests to whole-program tests
///
/// Sets up everything, builds the kernel program and all binaries, and runs `cargo test` on the
/// whole workspace, documentation tests included. As root no test may skip what the host lacks;
/// otherwise the tests that need rights skip themselves. One test more runs than there are processors, since they
/// mostly wait for processes (`RUST_TEST_THREADS`).
///
///   cargo xtask test -- --package sticky-user
///   cargo xtask test -- --test steering -- --nocapture
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// Options for `cargo test`
    #[arg(last = true)]
    args: Vec<OsString>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let tools = setup::all()?;
    build_ebpf::build(&tools)?;
    // Whole-program tests start binaries of other packages, which `cargo test` does not build.
    exec::run(cargo::here().args(["build", "--workspace"]))?;

    let mut tests = cargo::here();
    tests.arg("test");
    if !chooses_package(&options.args) {
        tests.arg("--workspace");
    }
    tests.args(&options.args);
    if env::var_os(THREADS).is_none() {
        tests.env(THREADS, threads().to_string());
    }
    if rustix::process::geteuid().is_root() {
        tests.env(REQUIRE_ALL, "1");
    } else {
        tests.env_remove(REQUIRE_ALL);
        say(
            "test",
            "WARNING: not root, so the tests that load programs or make namespaces SKIP themselves",
        );
    }
    exec::run(&mut tests)
}

/// Whole-program tests mostly wait for other processes.
fn threads() -> usize {
    1 + available_parallelism().map_or(1, NonZero::get)
}

/// Looks at cargo's options only: what comes after a `--` of its own is for the test programs.
fn chooses_package(args: &[OsString]) -> bool {
    let mut of_cargo = args.iter().filter_map(|arg| arg.to_str()).take_while(|arg| *arg != "--");
    of_cargo.any(|arg| {
        ["-p", "--package", "--manifest-path"].iter().any(|option| arg.starts_with(option))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chooses(args: &[&str]) -> bool {
        chooses_package(&args.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn a_chosen_package_replaces_the_workspace() {
        assert!(chooses(&["-p", "xtask"]));
        assert!(chooses(&["--release", "--package=xtask"]));
        assert!(!chooses(&["--test", "steering", "--", "-p"]));
        assert!(!chooses(&[]));
    }
}
