//! `cargo xtask run`: everything from a fresh clone to a running server.

use std::{
    ffi::OsString,
    io::{IsTerminal as _, stdin},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::Command,
};

use anyhow::{Context as _, Result, anyhow};
use serde_json::Value;

use crate::{
    build_ebpf, cargo,
    exec::{self, find, line, say, stdout},
    setup,
};

/// Build the server with its kernel program and run it
///
/// Sets up what is missing for building, builds the kernel program and the release binary and
/// becomes `sticky run ARGS...`. Who is not root builds as oneself and runs through sudo, because
/// loading the program needs a capability; without sudo the server takes the best mode that it may.
///
///   cargo xtask run -- --workers 4 --listen 127.0.0.1:3000
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// Options for `sticky run`
    #[arg(last = true)]
    args: Vec<OsString>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let tools = setup::ebpf()?;
    setup::client()?;
    build_ebpf::build(&tools)?;
    let sticky = build_release()?;

    let mut server = with_rights(&sticky);
    server.arg("run").args(&options.args);
    say("run", line(&server));
    let error = server.exec();
    Err(error).with_context(|| format!("`{}` could not be started", line(&server)))
}

/// Builds and gives the place of the binary, which depends on the caller's cargo settings.
fn build_release() -> Result<PathBuf> {
    let mut cargo = cargo::here();
    cargo.args(["build", "--release", "--package", "sticky-user", "--bin", "sticky"]);
    exec::run(&mut cargo)?;
    // Asked a second time, in which nothing is built: the first one shows its progress.
    let messages = stdout(cargo.args(["--quiet", "--message-format=json"]))?;
    executable(&messages, "sticky")
        .ok_or_else(|| anyhow!("cargo does not say where it put the binary `sticky`"))
}

fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

fn with_rights(sticky: &PathBuf) -> Command {
    if rustix::process::geteuid().is_root() {
        return Command::new(sticky);
    }
    let may_ask = stdin().is_terminal();
    let sudo = || {
        let mut sudo = Command::new("sudo");
        if !may_ask {
            sudo.arg("-n");
        }
        sudo
    };
    if find("sudo").is_some() && (may_ask || stdout(sudo().arg("true")).is_ok()) {
        say(
            "run",
            "not root: starting through sudo, because loading the kernel program needs CAP_BPF",
        );
        let mut sudo = sudo();
        sudo.arg("-E").arg(sticky);
        return sudo;
    }
    say("run", "not root and no sudo: the server takes the best mode that it may");
    say(
        "run",
        format!(
            "to allow mode ebpf: setcap cap_bpf+ep {} as root (again after every build)",
            sticky.display()
        ),
    );
    Command::new(sticky)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_binary_among_cargos_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"sticky_user"},"executable":null}"#,
            "\nnot json\n",
            r#"{"reason":"compiler-artifact","target":{"name":"sticky"},"executable":"/t/release/sticky"}"#,
        );
        assert_eq!(executable(messages, "sticky"), Some(PathBuf::from("/t/release/sticky")));
        assert_eq!(executable(messages, "other"), None);
    }
}
