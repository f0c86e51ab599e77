//! What only mode `fd-passing` can get wrong: connections between the supervisor and a worker.

use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use harness::http::{connect, for_each, read_answer, read_whoami, send_get, whoami};
use harness::{Mode, Sticky, addresses_of_slot, binaries, pause, send, wait_until};
use rustix::process::Signal;

const WORKERS: u32 = 4;
/// The slot that a test does something to.
const SLOT: u32 = 2;

fn start() -> Sticky {
    Sticky::new(Mode::FdPassing, WORKERS).start()
}

/// Clients of the slot that have connected and asked who serves them.
fn waiting_clients(sticky: &Sticky, count: usize) -> Vec<TcpStream> {
    let clients = addresses_of_slot(SLOT, WORKERS, count);
    for_each(&clients, |&client| {
        let stream = connect(client, sticky.address()).unwrap();
        send_get(&stream, "/whoami").unwrap();
        stream
    })
}

/// Connections that the supervisor has passed to the slot, and those that wait until it can.
fn passed_and_waiting(sticky: &Sticky) -> (u64, u32) {
    let slot = &sticky.status().slots[SLOT as usize];
    (slot.steered.unwrap(), slot.queue.unwrap())
}

#[test]
fn what_a_killed_worker_had_not_taken_is_its_successors() {
    const CLIENTS: u64 = 100;

    let options = Sticky::new(Mode::FdPassing, WORKERS);
    let sticky = options.worker([binaries::test_worker()]).start();
    let victim = sticky.worker(SLOT);
    pause(victim);
    let clients = addresses_of_slot(SLOT, WORKERS, 100);
    // Sent before the connection is handed over, and none like another.
    let body = |client: &Ipv4Addr| format!("{client} ").repeat(500);
    let connections = for_each(&clients, |client| {
        let mut stream = connect(*client, sticky.address()).unwrap();
        let body = body(client);
        let head = "POST /echo HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length:";
        write!(stream, "{head} {}\r\n\r\n{body}", body.len()).unwrap();
        stream
    });
    let all_passed = || (passed_and_waiting(&sticky) == (CLIENTS, 0)).then_some(());
    wait_until("all have been passed to the worker", all_passed);
    send(victim, Signal::KILL);
    sticky.wait_for_successor(SLOT, victim);
    for (client, connection) in clients.iter().zip(&connections) {
        assert_eq!(read_answer(connection).unwrap(), (200, body(client)), "{client}");
    }
    assert_eq!(passed_and_waiting(&sticky), (CLIENTS, 0), "none was passed twice");
    sticky.stop();
}

#[test]
fn a_stopped_worker_slows_nobody_else() {
    /// More than the slot's socket takes, so that some wait in the supervisor.
    const CLIENTS: usize = 600;

    let sticky = start();
    let stopped = sticky.worker(SLOT);
    pause(stopped);
    let waiting = waiting_clients(&sticky, CLIENTS);
    let queue = wait_until("all have reached the supervisor", || {
        let (passed, queue) = passed_and_waiting(&sticky);
        (passed + u64::from(queue) == CLIENTS as u64).then_some(queue)
    });
    assert!(queue > 0, "more wait than the socket takes");

    for slot in (0..WORKERS).filter(|&slot| slot != SLOT) {
        for client in addresses_of_slot(slot, WORKERS, 100) {
            assert_eq!(whoami(client, sticky.address()).unwrap().slot, slot);
        }
    }
    assert_eq!(passed_and_waiting(&sticky).1, queue, "the others were served meanwhile");

    send(stopped, Signal::CONT);
    for connection in &waiting {
        let answer = read_whoami(connection).unwrap();
        assert_eq!((answer.slot, answer.pid), (SLOT, stopped));
    }
    assert_eq!(passed_and_waiting(&sticky), (CLIENTS as u64, 0));
    sticky.stop();
}

/// Beyond the backlog a slot's connections are closed and counted; the others notice nothing.
#[test]
fn a_full_slot_refuses_and_counts() {
    const BACKLOG: u32 = 100;
    const CLIENTS: usize = 500;

    let sticky =
        Sticky::new(Mode::FdPassing, WORKERS).with("--backlog", BACKLOG.to_string()).start();
    let stopped = sticky.worker(SLOT);
    pause(stopped);
    let waiting = waiting_clients(&sticky, CLIENTS);
    let refused = || sticky.status().counters.unwrap().slots[SLOT as usize].refused;
    let refused = wait_until("all have reached the supervisor", || {
        let (passed, queue) = passed_and_waiting(&sticky);
        let refused = refused();
        (passed + u64::from(queue) + refused == CLIENTS as u64).then_some(refused)
    });
    // One may be on its way out of the queue.
    let queue = passed_and_waiting(&sticky).1;
    assert!((BACKLOG..=BACKLOG + 1).contains(&queue), "{queue} wait");
    assert!(refused > 0);

    send(stopped, Signal::CONT);
    let answered = waiting.iter().filter(|connection| read_whoami(connection).is_ok()).count();
    assert_eq!(answered as u64 + refused, CLIENTS as u64, "each is answered or refused");
    assert!(sticky.stop().contains("a connection was closed since its slot did not take it"));
}

/// Nobody but the worker holds what was passed to it: neither supervisor, nor a later child of one.
#[test]
fn a_passed_connection_is_the_workers_alone() {
    let sticky = start();
    let worker = sticky.worker(SLOT);
    let before = sockets(worker);
    let held: Vec<TcpStream> = addresses_of_slot(SLOT, WORKERS, 20)
        .into_iter()
        .map(|client| {
            let mut stream = connect(client, sticky.address()).unwrap();
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
            assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
            stream
        })
        .collect();
    let connections = &sockets(worker) - &before;
    assert_eq!(connections.len(), held.len());

    let other = SLOT - 1;
    let first = sticky.worker(other);
    send(first, Signal::KILL);
    let younger = sticky.wait_for_successor(other, first);
    for process in [sticky.pid(), younger] {
        assert!(sockets(process).is_disjoint(&connections), "{process}");
    }
    drop(held);
    sticky.stop();
}

/// The sockets that a process has open, as the kernel names them.
fn sockets(pid: u32) -> HashSet<String> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let targets = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let names = targets.map(|target| target.to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("socket:")).collect()
}

/// A program that expects a listener ends in this mode, and whoever runs it is told why.
#[test]
fn a_worker_that_expects_a_listener_is_told() {
    const ACCEPTS: &str = "import socket; socket.socket(fileno=3).accept()";
    /// The first time not before it is told to.
    const SAYS_READY: &str = "
import os, signal, socket, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])
if not os.path.exists(sys.argv[1]):
    signal.sigwait({signal.SIGUSR1})
    open(sys.argv[1], 'x').close()
socket.socket(fileno=3).accept()
";
    let hint = "in mode fd-passing descriptor 3 brings connections";
    let ended = Sticky::new(Mode::FdPassing, 1).worker(["python3", "-c", ACCEPTS]).fail();
    assert!(ended.code == Some(1) && ended.stderr.contains(hint), "{}", ended.stderr);
    assert!(ended.stderr.contains("docs/workers.md, or use --mode ebpf or cbpf"));

    let folder = tempfile::TempDir::with_prefix("sticky-test-").unwrap();
    let sticky = Sticky::new(Mode::FdPassing, 1)
        .with("--restart-delay", "10ms")
        .worker(["python3", "-c", SAYS_READY])
        .worker_args([folder.path().join("once")])
        .start();
    send(sticky.worker(0), Signal::USR1);
    let line = sticky.stderr.wait_for_text(hint);
    assert!(line.contains("its workers end again and again"), "{line}");
    sticky.stop();
}
