//! Calling cargo from within `cargo run`, whose own variables must not reach the inner one.

use std::{env, process::Command};

use crate::workspace;

/// cargo for this workspace, with the toolchain and the settings of the caller.
pub(crate) fn here() -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(workspace::root());
    remove(&mut cargo, set_by_cargo_run);
    cargo
}

/// cargo for something else than the workspace: also free of what the caller set for its builds.
pub(crate) fn apart() -> Command {
    let mut cargo = Command::new("cargo");
    isolate(&mut cargo);
    cargo
}

/// The cargo of another toolchain, for this workspace but apart from its other builds.
pub(crate) fn of_toolchain(toolchain: &str) -> Command {
    let mut cargo = Command::new("rustup");
    cargo.args(["run", toolchain, "cargo"]);
    cargo.current_dir(workspace::root());
    isolate(&mut cargo);
    cargo
}

fn isolate(cargo: &mut Command) {
    remove(cargo, |name| set_by_cargo_run(name) || set_for_builds(name));
}

fn remove(command: &mut Command, unwanted: impl Fn(&str) -> bool) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(&unwanted) {
            command.env_remove(name);
        }
    }
}

/// These say which package `cargo run` runs; build scripts that look at them would run anew.
fn set_by_cargo_run(name: &str) -> bool {
    name.starts_with("CARGO_PKG_")
        || name.starts_with("CARGO_MANIFEST_")
        || ["CARGO", "CARGO_BIN_NAME", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE"].contains(&name)
}

/// These choose compiler, target, flags and folders, which fit the caller's own builds only.
fn set_for_builds(name: &str) -> bool {
    let prefixes =
        ["CARGO_BUILD_", "CARGO_ENCODED_", "CARGO_PROFILE_", "CARGO_TARGET_", "RUSTC", "RUSTDOC"];
    let names = ["CARGO_INCREMENTAL", "RUSTFLAGS"];
    name != "CARGO_BUILD_JOBS"
        && (prefixes.iter().any(|prefix| name.starts_with(prefix)) || names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_says_where_crates_come_from() {
        for name in [
            "CARGO_HOME",
            "CARGO_NET_OFFLINE",
            "CARGO_REGISTRIES_X_INDEX",
            "CARGO_BUILD_JOBS",
            "RUSTUP_HOME",
            "RUST_BACKTRACE",
        ] {
            assert!(!set_by_cargo_run(name) && !set_for_builds(name), "{name}");
        }
    }

    #[test]
    fn drops_what_disturbs() {
        for name in ["CARGO", "CARGO_MANIFEST_DIR", "CARGO_PKG_VERSION"] {
            assert!(set_by_cargo_run(name), "{name}");
        }
        for name in [
            "RUSTC",
            "RUSTC_WRAPPER",
            "RUSTFLAGS",
            "CARGO_TARGET_DIR",
            "CARGO_BUILD_TARGET",
            "CARGO_ENCODED_RUSTFLAGS",
        ] {
            assert!(set_for_builds(name), "{name}");
        }
    }
}
