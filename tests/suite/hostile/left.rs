//! Processes that a worker leaves behind.

use std::fs;

use harness::rights::{Right, missing};
use harness::{Mode, Sticky, send, wait_until};
use rustix::process::Signal;

use super::{SLOT, WORKERS, ask, assert_served_by, hostile};
use crate::user::as_nobody;

in_every_mode!(
    ends_with_its_worker,
    ends_with_the_server,
    ends_with_a_reload,
    ends_without_a_supervisor,
    a_guard_that_is_killed_takes_its_worker_along,
);

/// And has not ended, which is all where nobody waits for it.
fn is_there(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status"));
    status.is_ok_and(|status| !status.contains("State:\tZ"))
}

/// A process that has left the worker's group and session, has the accept lease and takes connections.
fn ends_with_its_worker(mode: Mode) {
    if missing(Right::Root) {
        return;
    }
    // Of another user and of the supervisor's.
    let options = [as_nobody, |mode| Sticky::new(mode, WORKERS)];
    for (options, kind) in options.iter().flat_map(|it| [(it, "accepts"), (it, "sleeps")]) {
        let sticky = hostile(options(mode));
        let worker = sticky.worker(SLOT);
        let left: u32 = ask(&sticky, &format!("die?leave?{kind}"));
        let successor = sticky.wait_for_successor(SLOT, worker);
        assert!(!is_there(left), "what {worker} left is there when {successor} serves");
        assert_served_by(&sticky, successor);
        sticky.stop();
    }
}

fn ends_with_the_server(mode: Mode) {
    if missing(Right::Root) {
        return;
    }
    for signals in [1, 2] {
        let mut sticky = hostile(as_nobody(mode));
        let left: u32 = ask(&sticky, "leave?sleeps");
        assert!(is_there(left), "while its worker serves, it may do what it likes");
        (0..signals).for_each(|_| sticky.signal(Signal::TERM));
        sticky.wait();
        assert!(!is_there(left), "it outlives the server");
        sticky.assert_nothing_left();
    }
}

fn ends_with_a_reload(mode: Mode) {
    if missing(Right::Root) {
        return;
    }
    let sticky = hostile(as_nobody(mode));
    let left: u32 = ask(&sticky, "leave?sleeps");
    let reload = sticky.reload();
    assert_eq!(reload.code, Some(0), "{}", reload.stderr);
    assert!(!is_there(left), "it outlives its worker");
    assert_served_by(&sticky, sticky.worker(SLOT));
    sticky.stop();
}

/// While nobody is there to look after workers.
fn ends_without_a_supervisor(mode: Mode) {
    if missing(Right::Root) {
        return;
    }
    let mut sticky = hostile(as_nobody(mode));
    let worker = sticky.worker(SLOT);
    let left: u32 = ask(&sticky, "leave?sleeps");
    sticky.kill_supervisor();
    send(worker, Signal::KILL);
    wait_until("it ends with its worker", || (!is_there(left)).then_some(()));
    sticky.start_again();
    sticky.stderr.wait_for_text("all workers have been replaced");
    assert_served_by(&sticky, sticky.worker(SLOT));
    sticky.stop();
}

/// As the kernel does when memory is short.
fn a_guard_that_is_killed_takes_its_worker_along(mode: Mode) {
    if missing(Right::Root) {
        return;
    }
    let sticky = hostile(as_nobody(mode));
    let worker = sticky.worker(SLOT);
    send(parent_of(worker), Signal::KILL);
    let successor = sticky.wait_for_successor(SLOT, worker);
    assert!(!is_there(worker));
    assert_served_by(&sticky, successor);
    sticky.stop();
}

fn parent_of(process: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    parent.trim().parse().unwrap()
}
