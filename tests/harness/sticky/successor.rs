//! A supervisor that is killed, and the next one, which finds what it left.

use std::ffi::OsString;

use rustix::process::Signal;

use super::{Ended, Sticky};

impl Sticky {
    /// Kills the supervisor alone; what it left goes on.
    pub fn kill_supervisor(&mut self) {
        self.signal(Signal::KILL);
        self.wait();
    }

    /// Starts the next supervisor with the same options, and waits until it says that it serves.
    pub fn start_again(&mut self) {
        self.spawn_again();
        self.take_announcement();
    }

    /// Starts one with another option, which ends by itself and leaves everything as it was.
    pub fn fail_again(&mut self, option: &'static str, value: impl Into<OsString>) -> Ended {
        let before = self.options.get(option);
        self.options.set(option, value);
        let (mut process, stdout, stderr) = self.options.launch(&self.marker);
        self.options.set(option, before);
        let ended = crate::wait_until("sticky ends", || process.try_wait().expect("our child"));
        stdout.wait_for_end();
        stderr.wait_for_end();
        Ended { code: ended.code(), stdout: stdout.text(), stderr: stderr.text() }
    }

    /// Starts the next supervisor with the same options, and waits for nothing.
    fn spawn_again(&mut self) {
        let (process, stdout, stderr) = self.options.launch(&self.marker);
        self.process = process;
        self.earlier.push(std::mem::replace(&mut self.stdout, stdout));
        self.earlier.push(std::mem::replace(&mut self.stderr, stderr));
    }

    /// What processes there are: "PID command line" of each.
    pub fn processes(&self) -> Vec<String> {
        self.marker.processes()
    }
}
