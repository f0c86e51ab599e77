//! A long-polling session over one connection: a poll that waits, and when a ping has come with its
//! answer, the pong and the next poll.

use std::io::{self, Read as _, Write as _};

use anyhow::{Context as _, Result, ensure};
use mio::net::TcpStream;
use serde::Deserialize;
use sticky_benches::http::whole_body;
use sticky_benches::socketio::{CLOSE, CONNECT, PATH, PING, PONG};

/// Between packets of one answer.
const SEPARATOR: char = '\x1e';
/// The answer to packets that were sent.
const TAKEN: &str = "ok";
/// Bytes that are read at once.
const PIECE: usize = 1024;

pub(crate) struct Polling {
    stream: TcpStream,
    session: String,
    asked: Asked,
    answer: Vec<u8>,
}

/// The request on its way.
#[derive(Clone, Copy)]
enum Asked {
    Packets,
    Pong,
}

#[derive(Deserialize)]
struct Open {
    sid: String,
}

impl Polling {
    /// Opens a session and joins its namespace, waiting for each answer.
    pub(crate) fn open(mut stream: TcpStream) -> Result<Self> {
        let packet = exchange(&mut stream, get("").as_bytes())?;
        let open = packet.strip_prefix('0').context("not an Engine.IO server")?;
        let Open { sid: session } =
            serde_json::from_str(open).context("not an Engine.IO server")?;
        let taken = exchange(&mut stream, post(&session, CONNECT).as_bytes())?;
        ensure!(taken == TAKEN, "the server did not take a packet: {taken}");
        loop {
            let packets = exchange(&mut stream, get(&session).as_bytes())?;
            let is_among =
                |wanted: &str| packets.split(SEPARATOR).any(|one| one.starts_with(wanted));
            let (is_ping, is_connected) = (is_among(PING), is_among(CONNECT));
            ensure!(is_ping || is_connected, "not connected: {packets}");
            if is_ping {
                exchange(&mut stream, post(&session, PONG).as_bytes())?;
            }
            if is_connected {
                break;
            }
        }
        Ok(Self { stream, session, asked: Asked::Packets, answer: Vec::new() })
    }

    pub(crate) fn session(&self) -> &str {
        &self.session
    }

    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Sends a poll.
    pub(crate) fn wait_for_packets(&mut self) -> io::Result<()> {
        self.asked = Asked::Packets;
        // One request on its way always has room.
        self.stream.write_all(get(&self.session).as_bytes())
    }

    /// Reads what has come, and tells how many pings it answered.
    pub(crate) fn answer(&mut self) -> io::Result<usize> {
        let mut pings = 0;
        while let Some(body) = self.next_body()? {
            match self.asked {
                Asked::Packets if body.split(SEPARATOR).any(|packet| packet == CLOSE) => {
                    return Err(io::Error::other("the session was closed"));
                }
                Asked::Packets if body.split(SEPARATOR).any(|packet| packet == PING) => {
                    pings += 1;
                    self.asked = Asked::Pong;
                    self.stream.write_all(post(&self.session, PONG).as_bytes())?;
                }
                Asked::Pong if body != TAKEN => {
                    return Err(io::Error::other(format!("a pong was not taken: {body}")));
                }
                Asked::Packets | Asked::Pong => self.wait_for_packets()?,
            }
        }
        Ok(pings)
    }

    /// The body of the next answer, if all of it is there.
    fn next_body(&mut self) -> io::Result<Option<String>> {
        loop {
            match read_piece(&mut self.stream, &mut self.answer) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
            if let Some(body) = whole_body(&self.answer)? {
                let body = String::from_utf8_lossy(body).into_owned();
                self.answer = Vec::new();
                return Ok(Some(body));
            }
        }
    }
}

/// Sends a request and waits for the body of the answer.
pub(crate) fn exchange(stream: &mut TcpStream, request: &[u8]) -> Result<String> {
    stream.write_all(request)?;
    let mut answer = Vec::new();
    loop {
        read_piece(stream, &mut answer)?;
        if let Some(body) = whole_body(&answer)? {
            return Ok(String::from_utf8_lossy(body).into_owned());
        }
    }
}

fn read_piece(stream: &mut TcpStream, answer: &mut Vec<u8>) -> io::Result<()> {
    let mut piece = [0; PIECE];
    match stream.read(&mut piece)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        length => {
            answer.extend_from_slice(piece.get(..length).unwrap_or_default());
            Ok(())
        }
    }
}

fn get(session: &str) -> String {
    let session = if session.is_empty() { String::new() } else { format!("&sid={session}") };
    format!("GET {PATH}polling{session} HTTP/1.1\r\nHost: bench\r\n\r\n")
}

fn post(session: &str, packet: &str) -> String {
    let length = packet.len();
    format!(
        "POST {PATH}polling&sid={session} HTTP/1.1\r\nHost: bench\r\nContent-Type: text/plain\r\n\
         Content-Length: {length}\r\n\r\n{packet}"
    )
}
