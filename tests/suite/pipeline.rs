//! The way of a connection inside a worker: requests that come in all the ways in which they may, and clients
//! that are slow, or too many.

mod bodies;
mod early;
mod limits;
mod requests;
mod upgrades;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use harness::http::connect;
use harness::{Mode, Sticky, binaries};

/// One worker, which gives clients as long as `timeouts` says.
fn server(timeouts: [u32; 4]) -> Sticky {
    let timeouts = timeouts.map(|milliseconds| milliseconds.to_string());
    Sticky::new(Mode::Cbpf, 1).worker([binaries::test_worker()]).worker_args(timeouts).start()
}

/// Longer than any test.
const LONG: u32 = 600_000;

/// Without a limit that a test would meet.
fn patient() -> Sticky {
    server([LONG; 4])
}

/// The same, for one client at a time: another one is served when the connection of the first is idle.
fn for_one() -> Sticky {
    Sticky::new(Mode::Cbpf, 1)
        .worker([binaries::test_worker()])
        .worker_args([LONG; 4].map(|time| time.to_string()))
        .with("--max-connections", "1")
        .start()
}

/// A client that says what it wants, byte for byte.
struct Client(BufReader<TcpStream>);

/// An answer whose length was told in its head.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    closes: bool,
    body: String,
}

impl Client {
    fn of(sticky: &Sticky) -> Self {
        let stream = connect(Ipv4Addr::LOCALHOST, sticky.address()).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    fn stream(&self) -> &TcpStream {
        self.0.get_ref()
    }

    fn say(&self, bytes: impl AsRef<[u8]>) {
        self.stream().write_all(bytes.as_ref()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_lowercase()
    }

    #[track_caller]
    fn answer(&mut self) -> Answer {
        let first = self.line();
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no answer: {first:?}"));
        let (mut length, mut closes) = (0, first.starts_with("http/1.0"));
        loop {
            let line = self.line();
            match line.split_once(": ") {
                Some(("content-length", bytes)) => length = bytes.parse().unwrap(),
                Some(("connection", value)) => closes = value == "close",
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        Answer { status, closes, body: String::from_utf8(body).unwrap() }
    }

    /// All that comes until the connection is closed, in whichever way.
    fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest);
        String::from_utf8_lossy(&rest).into_owned()
    }

    #[track_caller]
    fn is_served(&mut self) {
        self.say(WHOAMI);
        let answer = self.answer();
        assert!(answer.status == 200 && answer.body.contains(r#""slot":0"#), "{answer:?}");
    }
}

const WHOAMI: &str = "GET /whoami HTTP/1.1\r\nHost: test\r\n\r\n";

fn echo(body: &str) -> String {
    let length = body.len();
    format!("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn ok(body: &str) -> Answer {
    Answer { status: 200, closes: false, body: body.to_owned() }
}
