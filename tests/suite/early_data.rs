//! What a client sends right after connect, before its worker has accepted, arrives whole.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use harness::http::{connect, send_get};
use harness::{Mode, Sticky, addresses_of_slot, binaries, pause, send};
use rustix::process::Signal;

in_every_mode!(a_large_body, pipelined_requests);

const WORKERS: u32 = 2;

fn a_large_body(mode: Mode) {
    let sticky = Sticky::new(mode, WORKERS).worker([binaries::test_worker()]).start();
    let worker = stop_worker(&sticky);

    // No part is like another: none can be lost, doubled or moved unseen.
    let body: Vec<u8> = (0..100_000_u64).flat_map(|at| (at * at).to_be_bytes()).collect();
    let mut request = format!(
        "POST /echo HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend(&body);

    let stream = client(&sticky);
    let sent = send_what_fits(&stream, &request);
    assert!(sent > 10_000, "the kernel takes early data: {sent} bytes");
    send(worker, Signal::CONT);
    (&stream).write_all(&request[sent..]).unwrap();
    let mut answer = Vec::new();
    (&stream).read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    assert!(answer.ends_with(&body), "the body comes back as it was sent");
    sticky.stop();
}

fn pipelined_requests(mode: Mode) {
    const REQUESTS: usize = 20;

    let sticky = Sticky::new(mode, WORKERS).start();
    let worker = stop_worker(&sticky);
    let stream = client(&sticky);
    for _ in 1..REQUESTS {
        (&stream).write_all(b"GET /whoami HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    }
    send_get(&stream, "/healthz").unwrap();
    send(worker, Signal::CONT);
    let mut answers = String::new();
    (&stream).read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), REQUESTS, "{answers}");
    assert_eq!(answers.matches(r#""slot":1"#).count(), REQUESTS - 1, "{answers}");
    sticky.stop();
}

/// The connection is there before the worker can have accepted it: also one that a passing
/// supervisor has accepted.
fn stop_worker(sticky: &Sticky) -> u32 {
    let worker = sticky.worker(1);
    pause(worker);
    worker
}

fn client(sticky: &Sticky) -> TcpStream {
    let client = addresses_of_slot(1, WORKERS, 1)[0];
    connect(client, sticky.address()).unwrap()
}

fn send_what_fits(mut stream: &TcpStream, data: &[u8]) -> usize {
    stream.set_nonblocking(true).unwrap();
    let mut sent = 0;
    while sent < data.len() {
        match stream.write(&data[sent..]) {
            Ok(more) => sent += more,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    stream.set_nonblocking(false).unwrap();
    sent
}
