//! Clients in JavaScript.

use std::process::{Child, Command, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;

use tempfile::TempDir;

use crate::binaries::client_script;
use crate::marker::Marker;
use crate::output::Output;
use crate::wait_until;

/// Runs a script of `tests/clients/` with Node, which gets `input` as JSON in its first argument
/// and prints its result as JSON. What it puts into temporary files goes with it.
pub fn node<T: DeserializeOwned>(script: &str, input: &impl Serialize) -> T {
    let input = serde_json::to_string(input).expect("input is JSON");
    let mut node = Node::start(script, Some(input), Stdio::null());
    let status = wait_until(script, || node.process.try_wait().expect("node is our child"));
    let Node { results, log, .. } = &node;
    results.wait_for_end();
    let failure = || format!("{script} ended with {status}:\n{}\n{}", results.text(), log.text());
    assert!(status.success(), "{}", failure());
    serde_json::from_str(&results.text()).unwrap_or_else(|error| panic!("{error}; {}", failure()))
}

/// A running script. Dropped, it is killed with all that it started.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) process: Child,
    pub(crate) results: Output,
    pub(crate) log: Output,
    // Node may have started a browser, which may outlive it.
    marker: Marker,
    _folder: TempDir,
}

impl Node {
    pub(crate) fn start(script: &str, argument: Option<String>, stdin: Stdio) -> Self {
        let mut command = Command::new("node");
        command.arg(client_script(script)).args(argument);
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let marker = Marker::new();
        marker.put_on(&mut command);
        let folder = TempDir::with_prefix("sticky-test-").expect("a temporary folder");
        command.env("TMPDIR", folder.path()).env("HOME", folder.path());
        let mut process = command.spawn().expect("node is installed");
        let results = Output::of(process.stdout.take().expect("stdout is a pipe"));
        let log = Output::of(process.stderr.take().expect("stderr is a pipe"));
        Self { process, results, log, marker, _folder: folder }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.marker.kill_all();
        // It may have ended, and been waited for, before.
        let _ = self.process.wait();
    }
}
