//! Workers that spoil the socket that they were lent: only they notice, and only while they live.

use std::net::{Ipv4Addr, TcpStream};

use harness::http::{connect, for_each, get, read_whoami, send_get, whoami};
use harness::{
    Mode, Sticky, StickyOptions, addresses, addresses_of_slot, binaries, digit_slot, pause, send,
    wait_until,
};
use rustix::process::Signal;
use serde_json::Value;

in_every_mode!(what_waits_is_the_next_workers);
in_every_kernel_mode!(
    nothing_on_a_listener_outlives_its_worker,
    nothing_on_a_listener_is_left_to_a_successor,
    a_listener_that_is_shut_down_twice,
    a_listener_that_is_shut_down_for_ever,
    a_listener_that_left_its_place_and_came_back,
    listeners_that_end_while_nobody_looks,
    a_queue_that_is_lowered,
);

const WORKERS: u32 = 4;
const VANDAL: u32 = 2;

fn options(mode: Mode) -> StickyOptions {
    let worker = binaries::worker_script("vandal.py");
    // However often its worker dies: it is the slot that is looked at.
    let options = Sticky::new(mode, WORKERS).with("--failover-after", "off");
    options.worker(["python3".into(), worker.into_os_string()])
}

fn client_of(slot: u32) -> Ipv4Addr {
    addresses_of_slot(slot, WORKERS, 1)[0]
}

/// A connection to the worker of a slot, which serves nobody else until it is asked for something.
fn held(sticky: &Sticky, slot: u32) -> TcpStream {
    connect(client_of(slot), sticky.address()).unwrap()
}

/// Has the worker of a connection do harm; returns when it is done.
fn ask_over(connection: &TcpStream, slot: u32, harm: &str) {
    send_get(connection, &format!("/{harm}")).unwrap();
    assert_eq!(read_whoami(connection).unwrap().slot, slot);
}

fn ask(sticky: &Sticky, slot: u32, harm: &str) {
    ask_over(&held(sticky, slot), slot, harm);
}

/// Has several workers do harm while the supervisor does not run.
fn ask_unseen(sticky: &Sticky, slots: &[u32], harm: &str) {
    let connections: Vec<TcpStream> = slots.iter().map(|&slot| held(sticky, slot)).collect();
    pause(sticky.pid());
    for (connection, &slot) in connections.iter().zip(slots) {
        ask_over(connection, slot, harm);
    }
    send(sticky.pid(), Signal::CONT);
}

fn assert_all_at_their_slots(sticky: &Sticky, what: &str) {
    let clients = addresses(100);
    let answers = for_each(&clients, |&client| whoami(client, sticky.address()));
    for (&client, answer) in clients.iter().zip(answers) {
        let answer = answer.unwrap_or_else(|error| panic!("after {what}: {client}: {error}"));
        assert_eq!(answer.slot, digit_slot(client, WORKERS), "after {what}: {client}");
    }
}

/// What the worker of a slot found on its socket when it started.
fn found(sticky: &Sticky, slot: u32) -> Value {
    let (_, answer) = get(client_of(slot), sticky.address(), "/whoami").unwrap();
    serde_json::from_str::<Value>(&answer).unwrap()["found"].take()
}

/// Harm that ends with the worker.
const HARM: [&str; 15] = [
    "shut",
    "shut+shut",
    "shut+connect",
    "disconnect",
    "shut+shut+listen",
    "listen-short",
    "sign",
    "filter",
    "filter+lock-filter",
    "lock-filter",
    "linger+time-out+small-buffer+no-delay+segment",
    "defer",
    "ttl",
    "not-shared",
    "flags",
];

fn nothing_on_a_listener_outlives_its_worker(mode: Mode) {
    let sticky = options(mode).with("--restart-delay", "1ms").start();
    let pristine = found(&sticky, VANDAL);
    for harm in HARM {
        let before = sticky.worker(VANDAL);
        ask(&sticky, VANDAL, &format!("{harm}+end"));
        sticky.wait_for_successor(VANDAL, before);
        assert_all_at_their_slots(&sticky, harm);
        assert_eq!(found(&sticky, VANDAL), pristine, "after {harm}");
    }
    // And it is what the next supervisor finds.
    let mut sticky = sticky;
    let orphans = sticky.workers();
    sticky.kill_supervisor();
    sticky.start_again();
    sticky.wait_for_other_workers(&orphans);
    assert_all_at_their_slots(&sticky, "a takeover");
    sticky.stop();
}

/// Of a worker that is replaced, its successor has the listener already.
fn nothing_on_a_listener_is_left_to_a_successor(mode: Mode) {
    let sticky = options(mode).with("--restart-delay", "1ms").start();
    for harm in ["sign", "filter+lock-filter", "ttl", "not-shared"] {
        let before = sticky.worker(VANDAL);
        ask(&sticky, VANDAL, harm);
        let reload = sticky.reload();
        assert_eq!(reload.code, Some(0), "{}", reload.stderr);
        sticky.wait_for_successor(VANDAL, before);
        assert_all_at_their_slots(&sticky, harm);
    }
    sticky.stop();
}

fn a_listener_that_is_shut_down_twice(mode: Mode) {
    let sticky = options(mode).start();
    let before = sticky.workers();
    for harm in ["shut+shut", "shut+shut+listen", "shut+listen"] {
        ask(&sticky, VANDAL, harm);
        let answered = || whoami(client_of(VANDAL), sticky.address()).ok();
        let by_it = || answered().filter(|answer| answer.pid == before[VANDAL as usize]);
        wait_until("the slot is served again", by_it);
        for client in addresses_of_slot(VANDAL, WORKERS, 20) {
            let answer = whoami(client, sticky.address()).unwrap();
            assert_eq!(answer.pid, before[VANDAL as usize], "the same worker");
        }
    }
    assert_all_at_their_slots(&sticky, "all");
    assert_eq!(sticky.workers(), before);
    sticky.stop();
}

/// Also while it is being mended.
fn a_listener_that_is_shut_down_for_ever(mode: Mode) {
    let sticky = options(mode).start();
    let before = sticky.worker(VANDAL);
    ask(&sticky, VANDAL, "shut-for-ever");
    sticky.wait_for_successor(VANDAL, before);
    assert_all_at_their_slots(&sticky, "it was killed");
    let log = sticky.stop();
    assert!(log.contains("shuts its listener down again and again and is killed"), "{log}");
    let lines = log.lines().filter(|line| line.contains("listener"));
    assert!(lines.count() < 20, "bounded: {log}");
}

/// So fast that nobody sees it: its place in the group is another one.
fn a_listener_that_left_its_place_and_came_back(mode: Mode) {
    let sticky = options(mode).with("--restart-delay", "1ms").start();
    for slots in [&[1][..], &[0, 1], &[3, 0, 2]] {
        ask_unseen(&sticky, slots, "shut+listen");
        // The end of any worker makes the supervisor look.
        let before = sticky.worker(slots[0]);
        send(before, Signal::KILL);
        sticky.wait_for_successor(slots[0], before);
        assert_all_at_their_slots(&sticky, &format!("{slots:?}"));
    }
    sticky.stop();
}

/// Whichever two: to a supervisor that runs, and to one that takes over.
fn listeners_that_end_while_nobody_looks(mode: Mode) {
    let mut sticky = options(mode).start();
    let pairs = (0..WORKERS).flat_map(|one| (0..one).map(move |other| [one, other]));
    for pair in pairs {
        ask_unseen(&sticky, &pair, "shut");
        wait_until("all listen", || all_listen(&sticky).then_some(()));
        assert_all_at_their_slots(&sticky, &format!("{pair:?}"));
    }

    let connections = [0, 1].map(|slot| held(&sticky, slot));
    let orphans = sticky.workers();
    sticky.kill_supervisor();
    for (slot, connection) in (0..).zip(&connections) {
        ask_over(connection, slot, "shut");
    }
    sticky.start_again();
    sticky.wait_for_other_workers(&orphans);
    assert_all_at_their_slots(&sticky, "a takeover");
    sticky.stop();
}

/// As the kernel tells it; and the supervisor answers when it has done what it was about.
fn all_listen(sticky: &Sticky) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let port = format!(":{:04X} ", sticky.address().port());
    let ours = table.lines().filter(|line| line.contains(&port) && line.contains(" 0A "));
    let all = ours.count() == WORKERS as usize;
    sticky.status();
    all
}

/// In mode fd-passing what brings connections is a socket too.
fn what_waits_is_the_next_workers(mode: Mode) {
    const WAITING: usize = 30;

    let sticky = options(mode).with("--restart-delay", "1ms").start();
    let before = sticky.worker(VANDAL);
    let harm = if mode == Mode::FdPassing { "shut" } else { "flags" };
    ask(&sticky, VANDAL, harm);
    pause(before);
    let clients = addresses_of_slot(VANDAL, WORKERS, WAITING);
    let connections = for_each(&clients, |&client| {
        let stream = connect(client, sticky.address()).unwrap();
        send_get(&stream, "/whoami").unwrap();
        stream
    });
    assert_all_but_the_vandals_clients(&sticky);
    send(before, Signal::KILL);
    let successor = sticky.wait_for_successor(VANDAL, before);
    for connection in &connections {
        assert_eq!(read_whoami(connection).unwrap().pid, successor);
    }
    assert_eq!(sticky.status().slots[VANDAL as usize].restarts, 1, "no loop of crashes");
    assert_all_at_their_slots(&sticky, harm);
    sticky.stop();
}

fn assert_all_but_the_vandals_clients(sticky: &Sticky) {
    let others = addresses(60).into_iter().filter(|&ip| digit_slot(ip, WORKERS) != VANDAL);
    for client in others {
        let answer = whoami(client, sticky.address()).unwrap();
        assert_eq!(answer.slot, digit_slot(client, WORKERS), "{client}");
    }
}

fn a_queue_that_is_lowered(mode: Mode) {
    let sticky = options(mode).with("--backlog", "100").with("--restart-delay", "1ms").start();
    let before = sticky.worker(VANDAL);
    ask(&sticky, VANDAL, "listen-short");
    sticky.stderr.wait_for_text("the worker has lowered its queue from 100 to 1 connections");
    send(before, Signal::KILL);
    sticky.wait_for_successor(VANDAL, before);
    assert_eq!(sticky.status().slots[VANDAL as usize].queue_limit, Some(100));
    sticky.stop();
}
