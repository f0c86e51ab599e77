//! Connections that are made and accepted by one thread.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Result;
use harness::addresses;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};
use sticky_benches::processes;

use crate::port::Port;

/// So many are made before they are accepted.
const BATCH: usize = 64;
/// Addresses that clients connect from.
const SOURCES: usize = 4096;
/// A connection that is not there for as long is lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// A port's clients and its accepting side.
pub(crate) struct Connections {
    address: SocketAddr,
    poll: Poll,
    listeners: Vec<TcpListener>,
    sources: Vec<Ipv4Addr>,
    next: usize,
    open: Vec<(Socket, TcpStream)>,
}

impl Connections {
    /// With so many that stay open.
    pub(crate) fn with_open(port: &Port, open: usize) -> Result<Self> {
        let poll = Poll::new()?;
        let mut listeners = Vec::new();
        for (place, listener) in port.listeners.iter().enumerate() {
            listener.set_nonblocking(true)?;
            let mut listener = TcpListener::from_std(listener.try_clone()?);
            poll.registry().register(&mut listener, Token(place), Interest::READABLE)?;
            listeners.push(listener);
        }
        let sources = addresses(SOURCES);
        let address = port.address;
        let mut connections = Self { address, poll, listeners, sources, next: 0, open: Vec::new() };
        while connections.open.len() < open {
            let (clients, accepted) =
                connections.batch(BATCH.min(open - connections.open.len()))?;
            connections.open.extend(clients.into_iter().zip(accepted));
        }
        Ok(connections)
    }

    /// The CPU time of one connection, on average over `count`: connecting, accepting, closing.
    #[expect(clippy::cast_precision_loss, reason = "thousands of connections")]
    pub(crate) fn microseconds(&mut self, count: usize) -> Result<f64> {
        let batches = count.div_ceil(BATCH);
        let start = processes::own_run_time();
        for _ in 0..batches {
            drop(self.batch(BATCH)?);
        }
        let time = processes::own_run_time().saturating_sub(start);
        Ok(time.as_secs_f64() * 1e6 / (batches * BATCH) as f64)
    }

    fn batch(&mut self, count: usize) -> Result<(Vec<Socket>, Vec<TcpStream>)> {
        let clients = (0..count).map(|_| self.connect()).collect::<io::Result<Vec<_>>>()?;
        let mut accepted = Vec::with_capacity(count);
        let mut events = Events::with_capacity(BATCH);
        while accepted.len() < count {
            self.poll.poll(&mut events, Some(PATIENCE))?;
            if events.is_empty() {
                return Err(io::Error::from(io::ErrorKind::TimedOut).into());
            }
            for event in &events {
                let Some(listener) = self.listeners.get(event.token().0) else { continue };
                while let Some((stream, _)) = waiting(listener.accept())? {
                    accepted.push(stream.into());
                }
            }
        }
        Ok((clients, accepted))
    }

    fn connect(&mut self) -> io::Result<Socket> {
        let from = self.sources.get(self.next).copied().unwrap_or(Ipv4Addr::LOCALHOST);
        self.next = (self.next + 1) % self.sources.len();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        // The end is a reset: no port is held in TIME_WAIT.
        socket.set_linger(Some(Duration::ZERO))?;
        socket.bind(&SocketAddr::from((from, 0)).into())?;
        socket.connect(&self.address.into())?;
        Ok(socket)
    }
}

fn waiting<T>(accepted: io::Result<T>) -> io::Result<Option<T>> {
    match accepted {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        accepted => accepted.map(Some),
    }
}
