//! Clients: an address, a connection, a request.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde::Deserialize;
use socket2::{Domain, Socket, Type};

use crate::DEADLINE;

/// So many clients are busy at a time: enough to keep both sides working.
const AT_A_TIME: usize = 16;

/// The answer of `GET /whoami`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "named as in the JSON, which the product documents")]
pub struct WhoAmI {
    pub slot: u32,
    pub pid: u32,
    pub peer: SocketAddr,
    pub mode: String,
}

/// Connects from an address of one's own.
pub fn connect(from: impl Into<IpAddr>, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(from.into(), 0).into())?;
    socket.connect_timeout(&to.into(), DEADLINE)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    Ok(stream)
}

/// Sends a GET request that is the last one of its connection.
pub fn send_get(mut stream: &TcpStream, path: &str) -> io::Result<()> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())
}

/// Reads to the end of the connection: the status of the answer and its body.
pub fn read_answer(mut stream: &TcpStream) -> io::Result<(u16, String)> {
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::other(format!("not a whole answer: {answer:?}")))
}

fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// One GET request over a connection of its own.
pub fn get(from: impl Into<IpAddr>, to: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let stream = connect(from, to)?;
    send_get(&stream, path)?;
    read_answer(&stream)
}

/// Asks who serves `from`.
pub fn whoami(from: impl Into<IpAddr>, to: SocketAddr) -> io::Result<WhoAmI> {
    let stream = connect(from, to)?;
    send_get(&stream, "/whoami")?;
    read_whoami(&stream)
}

/// The answer to a `GET /whoami` that was sent.
pub fn read_whoami(stream: &TcpStream) -> io::Result<WhoAmI> {
    let (status, body) = read_answer(stream)?;
    if status != 200 {
        return Err(io::Error::other(format!("status {status}: {body}")));
    }
    Ok(serde_json::from_str(&body)?)
}

/// Does `work` for every item, a bounded number of them at a time; results in the order of items.
pub fn for_each<I: Sync, T: Send>(items: &[I], work: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            match items.get(at) {
                Some(item) => done.push((at, work(item))),
                None => return done,
            }
        }
    };
    let mut results: Vec<(usize, T)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(worker)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no client panics")).collect()
    });
    results.sort_by_key(|&(at, _)| at);
    results.into_iter().map(|(_, result)| result).collect()
}
