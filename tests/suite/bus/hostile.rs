//! A program of the workers' user that opens links of the bus, and is no worker.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use harness::Clients;
use serde_json::json;

use super::{Bus, said, say, settle};

/// The length of a frame of 60 MiB, which a worker may send, and one of 13 bytes: who it is.
const LONG: [u8; 4] = (60_u32 << 20).to_be_bytes();
const HELLO: [u8; 17] = [0, 0, 0, 13, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1];

/// The socket of slot 0, as a worker is told.
fn socket(worker: u32) -> PathBuf {
    let environment = std::fs::read(format!("/proc/{worker}/environ")).unwrap();
    let mut variables = environment.split(|byte| *byte == 0);
    let directory = variables.find_map(|one| one.strip_prefix(b"STICKY_BUS=")).unwrap();
    PathBuf::from(str::from_utf8(directory).unwrap()).join("bus-0.sock")
}

/// Says it, and waits until the link is closed; what was said last need not be taken.
fn closed(path: &PathBuf, words: &[u8]) {
    let mut link = UnixStream::connect(path).unwrap();
    link.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let _ = link.write_all(words);
    match link.read_to_end(&mut Vec::new()) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => {
            panic!("it is not closed: {error}")
        }
        _ => {}
    }
}

#[test]
fn links_of_programs_that_are_no_workers() {
    let server = Bus::Mesh.serve();
    let clients = Clients::new();
    let all = server.one_at_each_slot(&clients);
    let path = socket(all[0].welcome.pid);
    closed(&path, &LONG);
    closed(&path, &[&HELLO[..], &LONG].concat());
    for _ in 0..3000 {
        closed(&path, b"GET / HTTP/1.1\r\n\r\n");
    }
    let lines = server.sticky.stderr.lines_with("links of the bus were refused");
    assert!((1..10).contains(&lines.len()), "{lines:?}");
    say(&all[0], json!({}), "all is well");
    settle(&all[0], &all);
    for client in &all {
        assert_eq!(said(client), ["all is well"]);
    }
    server.stop(&all);
}
