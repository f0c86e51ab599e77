//! Processes: what they cost, and that none is left.

use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context as _, Result};
use procfs::process::{Process, all_processes};
use rustix::process::{Pid, Signal, kill_process};
use rustix::time::{ClockId, clock_gettime};

/// A process and those that it starts. Dropped, all are killed.
#[derive(Debug)]
pub struct Tree(Child);

impl Tree {
    /// Starts it.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("cannot start {program}"))?;
        Ok(Self(child))
    }

    /// The first process.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // The first one first, so that it starts none in place of those that end.
        for pid in with_descendants(&[self.pid()]).into_iter().filter_map(|pid| pid.try_into().ok())
        {
            if let Some(pid) = Pid::from_raw(pid) {
                // It may have gone by itself.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let _ = self.0.wait();
    }
}

/// The time that processes and their descendants have run so far, in the kernel too.
///
/// It is the sum of what the scheduler counted, in nanoseconds; `utime` and `stime` have the same
/// sum in ticks of 10 ms.
pub fn run_time(roots: &[u32]) -> Duration {
    let pids = with_descendants(roots);
    let processes = pids.iter().filter_map(|&pid| Process::new(i32::try_from(pid).ok()?).ok());
    let tasks = processes.filter_map(|process| process.tasks().ok()).flatten().flatten();
    // Whoever has ended meanwhile was not running for long.
    let times = tasks.filter_map(|task| task.schedstat().ok()).map(|stat| stat.sum_exec_runtime);
    Duration::from_nanos(times.sum())
}

/// The time that this process has run so far, without those that it started.
pub fn own_run_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let part = |part: i64| u64::try_from(part).unwrap_or(0);
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

/// Memory that a process has of its own or shares, in bytes.
pub fn resident_memory(pid: u32) -> Result<u64> {
    let status = Process::new(i32::try_from(pid)?)?.status()?;
    Ok(status.vmrss.unwrap_or(0) * 1024)
}

/// The most memory that a process ever had of its own or shared, in bytes.
pub fn peak_memory(pid: u32) -> Result<u64> {
    let status = Process::new(i32::try_from(pid)?)?.status()?;
    Ok(status.vmhwm.unwrap_or(0) * 1024)
}

/// The processes themselves, their children, the children's children and so on.
pub fn with_descendants(roots: &[u32]) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = all_processes()
        .into_iter()
        .flatten()
        .filter_map(|process| process.ok()?.stat().ok())
        .filter_map(|stat| Some((stat.pid.try_into().ok()?, stat.ppid.try_into().ok()?)))
        .collect();
    let mut found = roots.to_vec();
    let mut looked_at = 0;
    while let Some(&parent) = found.get(looked_at) {
        let children = parents.iter().filter(|(_, of)| *of == parent).map(|(child, _)| *child);
        found.extend(children);
        looked_at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_gone_with_its_descendants() {
        let tree = Tree::spawn(Command::new("sh").args(["-c", "sleep 1000 & wait"])).unwrap();
        let family = loop {
            let family = with_descendants(&[tree.pid()]);
            if family.len() > 1 {
                break family;
            }
            std::thread::yield_now();
        };
        assert!(run_time(&family) > Duration::ZERO);
        drop(tree);
        let alive = |pid: u32| {
            let stat = Process::new(pid.try_into().unwrap()).and_then(|process| process.stat());
            stat.is_ok_and(|stat| stat.state != 'Z')
        };
        let running = || family.iter().any(|&pid| alive(pid));
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while running() {
            assert!(std::time::Instant::now() < deadline, "killed processes disappear");
            std::thread::yield_now();
        }
    }
}
