//! The end: what has begun is finished, and nothing is left.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;

use harness::http::{connect, get, read_answer, read_whoami, send_get};
use harness::{Mode, Sticky, addresses_of_slot, binaries, pause, send};
use rustix::process::Signal;

in_every_mode!(
    a_request_in_flight_is_finished,
    connections_that_wait_are_served,
    held_clients_are_let_go,
    a_second_signal_ends_at_once,
    a_worker_that_will_not_end_is_killed,
    ctrl_c_is_graceful_too,
    killed_in_the_middle_of_its_end,
);

const WORKERS: u32 = 2;
/// Longer than the test's own patience: whoever waits for it makes the test fail.
const FOR_EVER: &str = "1h";

/// Said by the test worker of slot 1.
const DRAINS: &str = "the test worker of slot 1 drains";

fn client(sticky: &Sticky) -> TcpStream {
    connect(addresses_of_slot(1, WORKERS, 1)[0], sticky.address()).unwrap()
}

fn a_request_in_flight_is_finished(mode: Mode) {
    finishes(mode, Signal::TERM);
}

fn ctrl_c_is_graceful_too(mode: Mode) {
    finishes(mode, Signal::INT);
}

fn finishes(mode: Mode, signal: Signal) {
    let mut sticky = echo(mode).start();
    let stream = client(&sticky);
    let body = "x".repeat(100_000);
    begin_request(&stream, body.len());
    sticky.signal(signal);
    sticky.stderr.wait_for_text(DRAINS);
    (&stream).write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    (&stream).read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&body), "{answer}");
    assert_eq!(sticky.wait().code(), Some(0));
    sticky.assert_nothing_left();
}

fn echo(mode: Mode) -> harness::StickyOptions {
    Sticky::new(mode, WORKERS).with("--drain-timeout", FOR_EVER).worker([binaries::test_worker()])
}

/// Returns when the handler of the request reads its body.
fn begin_request(mut stream: &TcpStream, length: usize) {
    let head = "POST /echo HTTP/1.1\r\nHost: test\r\nExpect: 100-continue";
    write!(stream, "{head}\r\nContent-Length: {length}\r\n\r\n").unwrap();
    let mut line = String::new();
    let mut reader = BufReader::with_capacity(1, stream);
    reader.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 100"), "{line}");
    reader.read_line(&mut line).unwrap();
}

fn connections_that_wait_are_served(mode: Mode) {
    let mut sticky = Sticky::new(mode, WORKERS).with("--drain-timeout", FOR_EVER).start();
    let worker = sticky.worker(1);
    pause(worker);
    let clients = addresses_of_slot(1, WORKERS, 100);
    let connected = |&from| connect(from, sticky.address()).unwrap();
    let connections: Vec<TcpStream> = clients.iter().map(connected).collect();
    for connection in &connections {
        send_get(connection, "/whoami").unwrap();
    }
    sticky.signal(Signal::TERM);
    // The worker of the other slot has been told to end, so this one has been as well.
    sticky.stderr.wait_for_text("slot=0 connections=0");
    send(worker, Signal::CONT);
    for connection in &connections {
        assert_eq!(read_whoami(connection).unwrap().pid, worker);
    }
    assert_eq!(sticky.wait().code(), Some(0));
    sticky.assert_nothing_left();
}

/// In this mode nobody accepts any more when the supervisor is about to become another program. A
/// keeper that is stopped holds that moment.
#[test]
fn the_port_is_closed_in_the_middle_of_an_upgrade() {
    let mut sticky = echo(Mode::FdPassing).start();
    let stream = client(&sticky);
    begin_request(&stream, 1);
    pause(sticky.keeper());
    thread::scope(|scope| {
        let upgrade = scope.spawn(|| sticky.upgrade());
        sticky.stderr.wait_for_text("upgrade: becoming");
        sticky.signal(Signal::TERM);
        sticky.stderr.wait_for_text(DRAINS);
        assert_eq!(upgrade.join().unwrap().code, Some(1));
    });
    let client = addresses_of_slot(0, WORKERS, 1)[0];
    let refused = connect(client, sticky.address()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    (&stream).write_all(b"x").unwrap();
    assert_eq!(sticky.wait().code(), Some(0));
    sticky.assert_nothing_left();
}

/// The next supervisor serves at once, also where a worker still drains.
fn killed_in_the_middle_of_its_end(mode: Mode) {
    let mut sticky = echo(mode).start();
    let stream = client(&sticky);
    begin_request(&stream, 1);
    let before = sticky.worker(1);
    sticky.signal(Signal::TERM);
    sticky.stderr.wait_for_text(DRAINS);
    sticky.kill_supervisor();
    sticky.start_again();
    for slot in 0..WORKERS {
        let client = addresses_of_slot(slot, WORKERS, 1)[0];
        let mut asked = connect(client, sticky.address()).unwrap();
        let head = "POST /echo HTTP/1.1\r\nHost: test\r\nConnection: close";
        write!(asked, "{head}\r\nContent-Length: 1\r\n\r\nx").unwrap();
        assert_eq!(read_answer(&asked).unwrap(), (200, "x".into()));
    }
    assert_ne!(sticky.worker(1), before);
    (&stream).write_all(b"x").unwrap();
    (&stream).read_to_string(&mut String::new()).unwrap();
    sticky.stop();
}

/// Sessions that would go on for ever: long-polling, and a WebSocket.
fn held_clients_are_let_go(mode: Mode) {
    let mut sticky = Sticky::new(mode, WORKERS).with("--drain-timeout", FOR_EVER).start();
    let polling = poll(&sticky);
    let websocket = open_websocket(&sticky);
    sticky.signal(Signal::TERM);

    let (status, packets) = read_answer(&polling).unwrap();
    assert_eq!((status, packets.as_str()), (200, "1"), "Engine.IO's packet `close`");
    let mut rest = Vec::new();
    (&websocket).read_to_end(&mut rest).unwrap();
    assert_eq!(sticky.wait().code(), Some(0));
    sticky.assert_nothing_left();
}

/// A Socket.IO session by long-polling, up to the request that waits for the next message.
fn poll(sticky: &Sticky) -> TcpStream {
    let from = addresses_of_slot(0, WORKERS, 1)[0];
    let server = sticky.address();
    let path = "/socket.io/?EIO=4&transport=polling";
    let (_, open) = get(from, server, path).unwrap();
    let open: serde_json::Value = serde_json::from_str(&open[1..]).unwrap();
    let path = format!("{path}&sid={}", open["sid"].as_str().unwrap());

    let post = |packet: &str| {
        let mut stream = connect(from, server).unwrap();
        let head = "HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length:";
        write!(stream, "POST {path} {head} {}\r\n\r\n{packet}", packet.len()).unwrap();
        assert_eq!(read_answer(&stream).unwrap().0, 200);
    };
    post("40");
    // After the first ping it is quiet for long.
    let mut packets = String::new();
    while !packets.split('\x1e').any(|packet| packet == "2") {
        packets += &get(from, server, &path).unwrap().1;
        packets += "\x1e";
    }
    assert!(packets.contains("welcome"), "{packets}");
    post("3");
    let waiting = connect(from, server).unwrap();
    send_get(&waiting, &path).unwrap();
    waiting
}

/// A Socket.IO session over a WebSocket, up to its welcome.
fn open_websocket(sticky: &Sticky) -> TcpStream {
    let mut stream = client(sticky);
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let path = "/socket.io/?EIO=4&transport=websocket";
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\n{upgrade}\r\n\r\n").unwrap();
    // One text frame with "40" (connect to the namespace), under a mask of zeros.
    stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'4', b'0']).unwrap();
    let mut received = Vec::new();
    while !String::from_utf8_lossy(&received).contains("welcome") {
        let mut part = [0; 1024];
        let length = stream.read(&mut part).unwrap();
        assert!(length > 0, "{}", String::from_utf8_lossy(&received));
        received.extend(&part[..length]);
    }
    stream
}

fn a_second_signal_ends_at_once(mode: Mode) {
    let mut sticky = echo(mode).start();
    let stream = client(&sticky);
    begin_request(&stream, 1);
    sticky.signal(Signal::TERM);
    sticky.stderr.wait_for_text(DRAINS);
    sticky.signal(Signal::TERM);
    assert_eq!(sticky.wait().code(), Some(1), "work was cut short");
    sticky.assert_nothing_left();
    let log = sticky.stderr.text();
    assert!(log.contains("error: ended at once by a second signal"), "{log}");
}

fn a_worker_that_will_not_end_is_killed(mode: Mode) {
    let worker = binaries::worker_script("worker.py");
    let sticky = Sticky::new(mode, WORKERS)
        .with("--drain-timeout", "200ms")
        .worker(["python3".into(), worker.into_os_string()])
        .worker_args(["--ignore-sigterm"])
        .start();
    let log = sticky.stop();
    assert!(log.contains("the time to drain is over: the worker is killed"), "{log}");
    assert!(log.contains("worker was killed by signal 9"), "{log}");
}
