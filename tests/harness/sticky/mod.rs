//! The real binary.

mod commands;
mod options;
mod status;
mod successor;

use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::Signal;

pub use options::{Mode, StickyOptions};
pub use status::Status;

use crate::marker::Marker;
use crate::output::Output;
use crate::signals::send;
use crate::{binaries, kernel, wait_until};

/// A running `sticky run` with its workers. Dropped, it is killed with all that it started.
#[derive(Debug)]
pub struct Sticky {
    process: Child,
    /// What the supervisor says on standard output.
    pub stdout: Output,
    /// The log of the supervisor and its workers.
    pub stderr: Output,
    /// What was said to the pipes of supervisors that were killed.
    earlier: Vec<Output>,
    marker: Marker,
    control: PathBuf,
    listen: Option<SocketAddr>,
    /// How often it has to have said on standard output that it serves.
    announcements: AtomicUsize,
    programs: HashSet<u32>,
    options: StickyOptions,
}

/// What is left of a `sticky run` that has ended.
#[derive(Debug)]
#[allow(missing_docs, reason = "what every process has")]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Sticky {
    /// How to start one; it listens on a port that the kernel picks.
    #[expect(clippy::new_ret_no_self, reason = "nothing runs before the options are complete")]
    pub fn new(mode: Mode, workers: u32) -> StickyOptions {
        StickyOptions::new(mode, workers)
    }

    /// Waits until it says that it serves.
    #[must_use]
    pub fn announced(mut self) -> Self {
        self.take_announcement();
        self
    }

    fn take_announcement(&mut self) {
        let announced = self.stdout.wait_for("listening on ADDRESS", |line| {
            let address = line.strip_prefix("listening on ")?.split(',').next()?;
            Some(address.parse().expect("the address that is announced is one"))
        });
        self.listen = announced;
        assert!(announced.is_some(), "sticky ended before it served");
        self.announcements = AtomicUsize::new(1);
        self.programs.extend(kernel::programs_of(self.process.id()));
    }

    /// The address that it serves.
    pub fn address(&self) -> SocketAddr {
        self.listen.expect("it has been announced")
    }

    /// The supervisor's process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The control socket.
    pub fn control(&self) -> &std::path::Path {
        &self.control
    }

    /// Asks `sticky status --json`.
    pub fn status(&self) -> Status {
        let mut command = Command::new(binaries::sticky());
        self.marker.put_on(&mut command);
        command.args(["status", "--json", "--control"]).arg(&self.control);
        let output = command.output().expect("sticky can be executed");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "sticky status: {error}");
        serde_json::from_slice(&output.stdout).expect("the status that the contract describes")
    }

    /// The process that serves a slot now.
    pub fn worker(&self, slot: u32) -> u32 {
        self.status().slots[slot as usize].pid.expect("the slot has a worker")
    }

    /// Waits until a slot is served by another process than `before`, and tells which.
    pub fn wait_for_successor(&self, slot: u32, before: u32) -> u32 {
        wait_until("the slot is served again", || {
            let status = self.status();
            let slot = &status.slots[slot as usize];
            slot.pid.filter(|&pid| pid != before && slot.state == "ready")
        })
    }

    /// Sends a signal to the supervisor.
    pub fn signal(&self, signal: Signal) {
        send(self.process.id(), signal);
    }

    /// Waits until the supervisor has ended.
    pub fn wait(&mut self) -> ExitStatus {
        wait_until("sticky ends", || self.process.try_wait().expect("sticky is our child"))
    }

    /// Waits until it has ended, and tells what it said.
    pub fn ended(&mut self) -> Ended {
        let code = self.wait().code();
        self.assert_no_process();
        Ended { code, stdout: self.stdout.text(), stderr: self.stderr.text() }
    }

    /// Ends it gracefully, and checks that it leaves nothing behind. Tells what it logged.
    pub fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "a graceful end is no failure");
        self.assert_nothing_left();
        let said = self.stdout.text();
        let announcements = self.announcements.load(Ordering::Relaxed);
        assert_eq!(said.lines().count(), announcements, "a line when it serves: {said}");
        self.stderr.text()
    }

    /// No process, no socket, no folder, no port, no program in the kernel. To be called when it
    /// has ended.
    pub fn assert_nothing_left(&self) {
        self.assert_no_process();
        let run_dir = self.control.parent().expect("the control socket is in a folder");
        assert!(!run_dir.exists(), "{} is left", run_dir.display());
        kernel::wait_until_unloaded(&self.programs);
        if let Some(address) = self.listen {
            // Without SO_REUSEPORT: one listener that is left is enough to be refused.
            let port = TcpListener::bind(address);
            assert!(port.is_ok(), "{address} is still in use: {port:?}");
        }
    }

    fn assert_no_process(&self) {
        let left = self.marker.processes();
        assert!(left.is_empty(), "processes are left: {left:#?}");
        // Nobody holds the pipes: all that was said is there.
        for output in self.earlier.iter().chain([&self.stdout, &self.stderr]) {
            output.wait_for_end();
        }
    }

    /// Kills supervisor and workers.
    pub fn kill_all(&mut self) {
        let _ = self.process.kill();
        self.marker.kill_all();
        let _ = self.process.wait();
    }
}

impl Drop for Sticky {
    fn drop(&mut self) {
        self.kill_all();
        if std::thread::panicking() {
            let (stdout, mut stderr) = (self.stdout.text(), String::new());
            for output in self.earlier.iter().chain([&self.stderr]) {
                output.wait_for_end();
                stderr += &output.text();
                stderr += "\n";
            }
            eprintln!(
                "--- sticky said:\n{stdout}\n--- sticky and its workers logged:\n{stderr}\n---"
            );
        }
    }
}
