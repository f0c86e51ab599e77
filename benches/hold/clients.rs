//! The clients of one server, driven by one epoll set in a process of their own.
//!
//! A process may open only so many files, so there is one for each server. What it is asked comes as lines:
//! `open FROM TO` opens connections from the addresses with these numbers, and `pings` asks for nothing more.
//! Both are answered by `ok` and the pings that were answered so far, or by `error` and what is wrong.

use std::io::{self, Read as _, Write as _, stdin};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::os::unix::net;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use harness::addresses;
use mio::net::UnixStream;
use mio::{Events, Interest, Poll, Token};

use crate::connection::Connection;
use crate::kind::Kind;

/// So many are opened before those that are open already are looked after.
const AT_ONCE: usize = 64;
/// The stream that questions come by, which is standard input.
const CONTROL: Token = Token(usize::MAX);

struct Clients {
    poll: Poll,
    events: Events,
    kind: Kind,
    server: SocketAddr,
    open: Vec<Connection>,
    pings: usize,
}

/// Answers questions until there are no more.
pub(crate) fn run(kind: Kind, server: SocketAddr) -> Result<()> {
    let control = net::UnixStream::from(stdin().as_fd().try_clone_to_owned()?);
    control.set_nonblocking(true)?;
    let mut control = UnixStream::from_std(control);
    let mut clients = Clients::new(kind, server)?;
    clients.poll.registry().register(&mut control, CONTROL, Interest::READABLE)?;
    let mut asked = String::new();
    loop {
        let result = match clients.look_after(None) {
            Ok(false) => continue,
            Ok(true) if !read(&mut control, &mut asked)? => return Ok(()),
            Ok(true) if !asked.ends_with('\n') => continue,
            Ok(true) => clients.obey(&asked),
            Err(error) => Err(error),
        };
        asked.clear();
        let answer = match &result {
            Ok(()) => format!("ok {}\n", clients.pings),
            Err(error) => format!("error {}\n", format!("{error:#}").replace('\n', " ")),
        };
        control.write_all(answer.as_bytes())?;
        result?;
    }
}

/// Reads what has come; whether there can be more.
fn read(control: &mut UnixStream, text: &mut String) -> io::Result<bool> {
    match control.read_to_string(text) {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error),
    }
}

impl Clients {
    fn new(kind: Kind, server: SocketAddr) -> Result<Self> {
        let (poll, events) = (Poll::new()?, Events::with_capacity(1024));
        Ok(Self { poll, events, kind, server, open: Vec::new(), pings: 0 })
    }

    fn obey(&mut self, line: &str) -> Result<()> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["pings"] => Ok(()),
            ["open", from, to] => {
                let addresses = addresses(to.parse()?);
                self.open(addresses.get(from.parse()?..).unwrap_or_default())
            }
            _ => Err(anyhow!("not a question: {line}")),
        }
    }

    /// Opens a connection from each address, and waits until it is open and has joined.
    fn open(&mut self, from: &[Ipv4Addr]) -> Result<()> {
        for addresses in from.chunks(AT_ONCE) {
            for &address in addresses {
                let connection = Connection::open(self.kind, address, self.server);
                let mut connection =
                    connection.with_context(|| format!("cannot open a {}", self.kind))?;
                let (stream, place) = (connection.stream(), Token(self.open.len()));
                self.poll.registry().register(stream, place, Interest::READABLE)?;
                // A first ping may have come along with the last answer: no event would tell of it.
                self.pings += connection.answer()?;
                self.open.push(connection);
            }
            self.look_after(Some(Duration::ZERO))?;
        }
        Ok(())
    }

    /// Answers pings as they come; whether there is a question. A connection that has ended makes all
    /// figures void.
    fn look_after(&mut self, limit: Option<Duration>) -> Result<bool> {
        let mut asked = false;
        self.poll.poll(&mut self.events, limit)?;
        for event in &self.events {
            asked |= event.token() == CONTROL;
            let Some(connection) = self.open.get_mut(event.token().0) else { continue };
            let answered = connection.answer();
            self.pings += answered.with_context(|| {
                format!("a {} that was to be held has ended, so all figures are void", self.kind)
            })?;
        }
        Ok(asked)
    }
}
