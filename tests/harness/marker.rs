//! Finds the processes of a test, wherever in the process tree they have got to.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};

use crate::wait_until;

const VARIABLE: &str = "STICKY_TEST_ID";

/// A variable of the environment that all processes of a test inherit.
#[derive(Debug)]
pub(crate) struct Marker(String);

impl Marker {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(format!("{}-{number}", std::process::id()))
    }

    /// Marks what `command` starts, and keeps away from it what this process's user has set.
    pub(crate) fn put_on(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            let theirs = name.to_str().is_some_and(|name| name.starts_with("STICKY_"));
            if theirs || name == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        command.env(VARIABLE, &self.0);
    }

    /// "PID command line" of each process that is there.
    pub(crate) fn processes(&self) -> Vec<String> {
        let describe = |pid: Pid| {
            let pid = pid.as_raw_nonzero();
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            format!("{pid} {}", String::from_utf8_lossy(&line).replace('\0', " "))
        };
        self.pids().into_iter().map(describe).collect()
    }

    fn pids(&self) -> Vec<Pid> {
        let entry = format!("{VARIABLE}={}", self.0);
        let marked = |pid: &Pid| {
            let path = format!("/proc/{}/environ", pid.as_raw_nonzero());
            let environment = fs::read(path).unwrap_or_default();
            environment.split(|&byte| byte == 0).any(|variable| variable == entry.as_bytes())
        };
        let entries = fs::read_dir("/proc").expect("/proc is mounted");
        let pids = entries.filter_map(|entry| {
            entry.ok()?.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)
        });
        pids.filter(marked).collect()
    }

    /// Kills them all, also those that are being started meanwhile.
    pub(crate) fn kill_all(&self) {
        wait_until("killed processes disappear", || {
            let pids = self.pids();
            for &pid in &pids {
                // It may have gone by itself.
                let _ = kill_process(pid, Signal::KILL);
            }
            pids.is_empty().then_some(())
        });
    }
}
