//! Which processes have a port: for the error message that it is in use.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use procfs::process::{FDTarget, Process};

use super::diag;

/// Enough to find the culprit; 256 workers would fill a screen.
const MOST_NAMED: usize = 4;
/// The name that a keeper gives itself.
const KEEPER: &str = "sticky-keeper";
/// Nobody waits longer for a name, however many processes and open files there are.
const PATIENCE: Duration = Duration::from_secs(1);

/// " by NAME (pid 1, 2), user 0" as far as it can be told, otherwise empty.
pub(super) fn describe(address: SocketAddr) -> String {
    let listening = diag::on_port(address.port()).unwrap_or_default();
    let Some(first) = listening.first() else {
        return String::new();
    };
    let inodes: HashSet<u64> = listening.iter().map(|entry| entry.inode).collect();
    let mut owners: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for (name, pid) in processes_with(&inodes) {
        owners.entry(name).or_default().push(pid);
    }
    if owners.is_empty() {
        return format!(" by a process of user {}", first.uid);
    }
    let hint = left_behind(&owners);
    let owners: Vec<String> = owners.iter().map(|(name, pids)| named(name, pids)).collect();
    format!(" by {} of user {}{hint}", owners.join(", "), first.uid)
}

/// What to do where it is what a supervisor left that nobody can find any more.
fn left_behind(owners: &BTreeMap<String, Vec<i32>>) -> String {
    if !owners.contains_key(KEEPER) {
        return String::new();
    }
    let pids: Vec<String> = owners.values().flatten().map(i32::to_string).collect();
    format!(
        " (the keeper and the workers of a supervisor of sticky: if that has gone and its directory was \
         removed, end them with `kill {}`)",
        pids.join(" ")
    )
}

fn named(name: &str, pids: &[i32]) -> String {
    let shown: Vec<String> = pids.iter().take(MOST_NAMED).map(i32::to_string).collect();
    let more = if pids.len() > MOST_NAMED { ", ..." } else { "" };
    format!("{name} (pid {}{more})", shown.join(", "))
}

/// Name and pid of the processes that hold one of these sockets, as far as this process may look.
fn processes_with(inodes: &HashSet<u64>) -> Vec<(String, i32)> {
    let until = Instant::now() + PATIENCE;
    let processes = procfs::process::all_processes().into_iter().flatten().flatten();
    processes
        .take_while(|_| Instant::now() < until)
        .filter(|process| holds(process, inodes, until))
        .filter_map(|process| Some((process.stat().ok()?.comm, process.pid)))
        .collect()
}

fn holds(process: &Process, inodes: &HashSet<u64>, until: Instant) -> bool {
    let descriptors = process.fd().into_iter().flatten().flatten();
    descriptors
        .take_while(|_| Instant::now() < until)
        .any(|fd| matches!(fd.target, FDTarget::Socket(inode) if inodes.contains(&inode)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_supervisor_left_is_named() {
        let mut owners = BTreeMap::from([("python3".to_owned(), vec![7, 8])]);
        assert_eq!(left_behind(&owners), "");
        owners.insert(KEEPER.into(), vec![9]);
        assert!(left_behind(&owners).contains("`kill 7 8 9`"));
    }
}
