//! Signals to processes of a test.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait_until;

/// Sends a signal.
pub fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.cast_signed()).expect("a process has a number above zero");
    kill_process(pid, signal).expect("the process is there");
}

/// Stops a process where it is (SIGSTOP), until SIGCONT.
pub fn pause(pid: u32) {
    send(pid, Signal::STOP);
    wait_until("the process is stopped", || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in brackets, may hold anything; the state follows it.
        stat.rsplit_once(") ")?.1.starts_with('T').then_some(())
    });
}
