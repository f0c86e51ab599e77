//! Workers that do what none should: nothing of it outlives them, and no other slot notices.

use std::path::{Path, PathBuf};

use harness::http::{get, whoami};
use harness::rights::{Right, missing};
use harness::{Mode, Sticky, StickyOptions, addresses_of_slot, send, wait_until};
use rustix::process::Signal;
use serde::de::DeserializeOwned;

use crate::user::{PYTHON, as_nobody, script_in};

in_every_mode!(
    a_process_that_is_left_ends_with_its_worker,
    a_process_that_is_left_ends_with_the_server,
    a_process_that_is_left_ends_with_a_reload,
    a_process_that_is_left_ends_without_a_supervisor,
);

const WORKERS: u32 = 3;
const SLOT: u32 = 1;

fn hostile(options: StickyOptions) -> Sticky {
    let script = script_in(&options, "hostile.py");
    options.worker([PathBuf::from(PYTHON), script]).start()
}

/// Lets the worker of the slot do something.
fn ask<T: DeserializeOwned>(sticky: &Sticky, what: &str) -> T {
    let client = addresses_of_slot(SLOT, WORKERS, 1)[0];
    let (_, answer) = get(client, sticky.address(), &format!("/{what}")).unwrap();
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{what}: {error}: {answer:?}"))
}

fn is_there(process: u32) -> bool {
    Path::new(&format!("/proc/{process}")).exists()
}

/// The worker that serves the slot, and nobody else, answers.
fn assert_served_by(sticky: &Sticky, worker: u32) {
    for client in addresses_of_slot(SLOT, WORKERS, 30) {
        let answer = whoami(client, sticky.address()).unwrap();
        assert_eq!((answer.slot, answer.pid), (SLOT, worker), "{client}");
    }
}

/// One that has left the worker's group and session, has the turn and takes connections.
fn a_process_that_is_left_ends_with_its_worker(mode: Mode) {
    if missing(Right::Root) {
        return;
    }
    let sticky = hostile(as_nobody(mode));
    for kind in ["accepts", "sleeps"] {
        let worker = sticky.worker(SLOT);
        let left: u32 = ask(&sticky, &format!("die?leave?{kind}"));
        let successor = sticky.wait_for_successor(SLOT, worker);
        assert!(!is_there(left), "what {worker} left is there when {successor} serves");
        assert_served_by(&sticky, successor);
    }
    sticky.stop();
}

fn a_process_that_is_left_ends_with_the_server(mode: Mode) {
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

fn a_process_that_is_left_ends_with_a_reload(mode: Mode) {
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
fn a_process_that_is_left_ends_without_a_supervisor(mode: Mode) {
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
