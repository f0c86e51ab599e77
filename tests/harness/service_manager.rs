//! A service manager that keeps descriptors for the service, as systemd does.

use std::net::Ipv4Addr;
use std::process::Command;

use serde::Deserialize;
use tempfile::TempDir;

use crate::addresses::free_port;
use crate::marker::Marker;
use crate::{Mode, binaries};

/// What came of a service whose processes were all killed and which was started again.
#[derive(Debug, Deserialize)]
pub struct StartedAgain {
    /// Who answered the clients that had connected while nobody was there.
    pub slots: Vec<u32>,
    /// How the service ended at last.
    pub code: i32,
    /// The names of the descriptors that it left with the service manager then.
    pub left: Vec<String>,
}

/// Starts `sticky run` as a service, kills it with all its processes, connects, and starts it again.
pub fn kill_all_and_start_again(mode: Mode, workers: u32, clients: &[Ipv4Addr]) -> StartedAgain {
    let folder = TempDir::with_prefix("sticky-test-").expect("a temporary folder");
    let port = free_port();
    let clients: Vec<String> = clients.iter().map(Ipv4Addr::to_string).collect();
    let marker = Marker::new();
    let mut command = Command::new("python3");
    command.arg(binaries::worker_script("service_manager.py"));
    command.args([port.to_string(), clients.join(",")]);
    command.arg(binaries::sticky()).args(["run", "--mode", mode.name()]);
    command.args(["--workers", &workers.to_string(), "--listen", &format!("127.0.0.1:{port}")]);
    command.arg("--control").arg(folder.path().join("run/control.sock"));
    marker.put_on(&mut command);
    let output = command.output().expect("python3 is installed");
    let left = marker.processes();
    marker.kill_all();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(left.is_empty(), "processes are left: {left:?}");
    assert!(!folder.path().join("run").exists(), "the private directory is left");
    serde_json::from_slice(&output.stdout).expect("a line of JSON")
}
