//! The slow clients of one server, driven by one epoll set in a process of their own.
//!
//! `open FROM TO` opens connections from the addresses with these numbers, `left` is answered by how many are
//! open, and `lasted` by the seconds that each of those was connected that are closed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use harness::addresses;
use mio::{Events, Interest, Poll, Token};
use sticky_benches::crowd::{Asked, Control};

use crate::client::Client;
use crate::kind::Kind;

/// So many are opened before those that are open already are looked after.
const AT_ONCE: usize = 64;
/// The stream that questions come by.
const CONTROL: Token = Token(usize::MAX);
/// Between two bytes of a client.
const BYTE: Duration = Duration::from_secs(1);

struct Clients {
    poll: Poll,
    events: Events,
    kind: Kind,
    server: SocketAddr,
    all: Vec<Client>,
    /// When which client sends its next byte, the next one first.
    due: BinaryHeap<Reverse<(Instant, usize)>>,
}

/// Answers questions until there are no more.
pub(crate) fn run(kind: Kind, server: SocketAddr) -> Result<()> {
    let (poll, events) = (Poll::new()?, Events::with_capacity(1024));
    let (all, due) = Default::default();
    let mut clients = Clients { poll, events, kind, server, all, due };
    let mut control = Control::inherited(clients.poll.registry(), CONTROL)?;
    loop {
        if clients.look_after(None)? {
            match control.read()? {
                Asked::Nothing => {}
                Asked::Question(line) => control.answer(clients.obey(&line))?,
                Asked::NoMore => return Ok(()),
            }
        }
    }
}

impl Clients {
    fn obey(&mut self, line: &str) -> Result<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["left"] => Ok(self.left().to_string()),
            ["lasted"] => {
                let closed = self.all.iter().filter(|client| client.stream.is_none());
                let times = closed.map(|client| format!("{:.3}", client.lasted.as_secs_f64()));
                Ok(times.collect::<Vec<_>>().join(" "))
            }
            ["open", from, to] => {
                let addresses = addresses(to.parse()?);
                self.open(addresses.get(from.parse()?..).unwrap_or_default())?;
                Ok(self.left().to_string())
            }
            _ => bail!("not a question: {line}"),
        }
    }

    fn left(&self) -> usize {
        self.all.iter().filter(|client| client.stream.is_some()).count()
    }

    fn open(&mut self, from: &[Ipv4Addr]) -> Result<()> {
        let count = u32::try_from(from.len())?.max(1);
        let mut turn = 0;
        for addresses in from.chunks(AT_ONCE) {
            for &address in addresses {
                let client = Client::open(self.kind, address, self.server);
                let mut client = client.context("cannot open a connection")?;
                let place = self.all.len();
                if let Some(stream) = &mut client.stream {
                    self.poll.registry().register(stream, Token(place), Interest::READABLE)?;
                }
                self.all.push(client);
                if self.kind == Kind::Body {
                    // Bytes of different clients do not come all at once.
                    self.due.push(Reverse((Instant::now() + BYTE + BYTE * turn / count, place)));
                    turn += 1;
                }
            }
            self.look_after(Some(Duration::ZERO))?;
        }
        Ok(())
    }

    /// Sends bytes that are due, and notes who was closed; whether there is a question.
    fn look_after(&mut self, limit: Option<Duration>) -> Result<bool> {
        let next = self.due.peek().map(|Reverse((due, _))| *due);
        let next = next.map(|due| due.saturating_duration_since(Instant::now()));
        self.poll.poll(&mut self.events, limit.or(next))?;
        let mut asked = false;
        for event in &self.events {
            asked |= event.token() == CONTROL;
            let Some(client) = self.all.get_mut(event.token().0) else { continue };
            client.look(self.kind, event);
        }
        let now = Instant::now();
        while let Some(Reverse((due, place))) = self.due.peek().copied() {
            if due > now {
                break;
            }
            self.due.pop();
            let Some(client) = self.all.get_mut(place) else { continue };
            client.send();
            if client.stream.is_some() {
                self.due.push(Reverse((due + BYTE, place)));
            }
        }
        Ok(asked)
    }
}
