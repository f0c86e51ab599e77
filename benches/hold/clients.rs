//! All clients, driven by one epoll set.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use mio::{Events, Interest, Poll, Token};

use crate::connection::Connection;
use crate::kind::Kind;
use crate::servers::Choice;

/// So many are opened before those that are open already are looked after.
const AT_ONCE: usize = 64;

pub(crate) struct Clients {
    poll: Poll,
    events: Events,
    kind: Kind,
    all: Vec<Client>,
}

struct Client {
    server: Choice,
    connection: Connection,
    pings: usize,
}

impl Clients {
    pub(crate) fn new(kind: Kind) -> Result<Self> {
        let (poll, events) = (Poll::new()?, Events::with_capacity(1024));
        Ok(Self { poll, events, kind, all: Vec::new() })
    }

    /// Opens a connection from each address, and waits until it is open and has joined.
    pub(crate) fn open(&mut self, server: Choice, from: &[Ipv4Addr], to: SocketAddr) -> Result<()> {
        for addresses in from.chunks(AT_ONCE) {
            for &address in addresses {
                let (kind, number) = (self.kind, self.all.len());
                let mut connection = Connection::open(kind, address, to).with_context(|| {
                    format!("{server}: no {kind} from {address} within the limit of each step")
                })?;
                let (stream, place) = (connection.stream(), Token(number));
                self.poll.registry().register(stream, place, Interest::READABLE)?;
                self.all.push(Client { server, connection, pings: 0 });
            }
            self.hold(Duration::ZERO)?;
        }
        Ok(())
    }

    /// Answers pings for so long. A connection that ends makes the figures void.
    pub(crate) fn hold(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            self.poll.poll(&mut self.events, Some(left))?;
            for event in &self.events {
                let Some(client) = self.all.get_mut(event.token().0) else { continue };
                match client.connection.answer() {
                    Ok(pings) => client.pings += pings,
                    Err(error) => bail!(
                        "{} dropped a {} that was to be held, so its figures are void: {error}",
                        client.server,
                        self.kind
                    ),
                }
            }
            if left.is_zero() {
                return Ok(());
            }
        }
    }

    /// The pings of that server that were answered so far.
    pub(crate) fn pings(&self, server: Choice) -> usize {
        self.all.iter().filter(|client| client.server == server).map(|client| client.pings).sum()
    }
}
