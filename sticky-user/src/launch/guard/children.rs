//! The children of this process.

use std::fs;
use std::io;

use procfs::process::all_processes;
use rustix::process::{Pid, getpid};

/// All children, also zombies. The process is to have one thread.
///
/// The kernel's list of them is complete when nothing leaves it while it is read, and only this
/// process can make something leave.
pub(super) fn of_this_process() -> io::Result<Vec<Pid>> {
    let this = getpid().as_raw_nonzero();
    match fs::read_to_string(format!("/proc/self/task/{this}/children")) {
        Ok(list) => Ok(list.split_ascii_whitespace().filter_map(pid).collect()),
        // A kernel without CONFIG_PROC_CHILDREN.
        Err(error) if error.kind() == io::ErrorKind::NotFound => searched(this.get()),
        Err(error) => Err(error),
    }
}

fn searched(parent: i32) -> io::Result<Vec<Pid>> {
    let processes = all_processes().map_err(io::Error::other)?;
    let children = processes.flatten().filter_map(|process| {
        // A process that has gone in the meantime is no child.
        let stat = process.stat().ok().filter(|stat| stat.ppid == parent)?;
        Pid::from_raw(stat.pid)
    });
    Ok(children.collect())
}

fn pid(text: &str) -> Option<Pid> {
    text.parse().ok().and_then(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn both_ways_find_a_child() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let of_child = Pid::from_child(&child);
        let found = searched(getpid().as_raw_nonzero().get()).unwrap();
        child.kill().unwrap();
        assert!(found.contains(&of_child), "a search");
        // Not yet waited for. It may be another thread's, whose list is not read.
        of_this_process().unwrap();
        child.wait().unwrap();
        assert!(!searched(getpid().as_raw_nonzero().get()).unwrap().contains(&of_child));
    }
}
