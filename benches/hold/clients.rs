//! The clients of one server, driven by one epoll set in a process of their own.
//!
//! `open FROM TO` opens connections from the addresses with these numbers, and `pings` asks for nothing more.
//! Both are answered by the pings that were answered so far.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use harness::addresses;
use mio::{Events, Interest, Poll, Token};
use sticky_benches::crowd::{Asked, Control};

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
    let mut clients = Clients::new(kind, server)?;
    let mut control = Control::inherited(clients.poll.registry(), CONTROL)?;
    loop {
        let result = match clients.look_after(None) {
            Ok(false) => continue,
            Ok(true) => match control.read()? {
                Asked::Nothing => continue,
                Asked::Question(line) => clients.obey(&line),
                Asked::NoMore => return Ok(()),
            },
            Err(error) => Err(error),
        };
        control.answer(result.map(|()| clients.pings))?;
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
