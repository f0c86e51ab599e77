//! The descriptor that connections come from, as the mode has it.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::process::{Resource, getrlimit};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpListener, TcpStream};

use crate::sys::{fd_passing, readiness};

/// Descriptors that a worker may open between two connections.
const MARGIN: u64 = 64;

/// What a supervisor may pass to a worker.
#[derive(Debug)]
pub(super) enum Passed {
    /// A listener to accept on.
    Listener(OwnedFd),
    /// A Unix socket that brings connections which the supervisor accepted.
    Connections(OwnedFd),
}

/// The same, in the runtime's hands.
#[derive(Debug)]
pub(super) enum Source {
    Listener(TcpListener),
    Connections(Connections),
}

/// A socket that brings connections.
#[derive(Debug)]
pub(super) struct Connections {
    socket: AsyncFd<OwnedFd>,
    /// The highest number that a received descriptor had.
    highest: AtomicI32,
}

impl Source {
    pub(super) fn new(passed: Passed) -> io::Result<Self> {
        Ok(match passed {
            Passed::Listener(listener) => {
                let listener = StdListener::from(listener);
                listener.set_nonblocking(true)?;
                Self::Listener(TcpListener::from_std(listener)?)
            }
            Passed::Connections(socket) => Self::Connections(Connections {
                socket: readiness::watch(socket, Interest::READABLE)?,
                highest: AtomicI32::new(0),
            }),
        })
    }

    /// Waits for the next connection; `None` when no more can come.
    pub(super) async fn next(&self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        match self {
            Self::Listener(listener) => listener.accept().await.map(Some),
            Self::Connections(connections) => {
                let receive = |socket: &OwnedFd| connections.receive(socket);
                adopt(connections.socket.async_io(Interest::READABLE, receive).await?)
            }
        }
    }

    /// A connection that waits already; `WouldBlock` or `None` when there is none.
    ///
    /// The system call is asked, not the runtime's notion of readiness, which may lag behind.
    pub(super) fn next_waiting(&self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        match self {
            Self::Listener(listener) => {
                let (connection, _) = SockRef::from(listener).accept()?;
                connection.set_nonblocking(true)?;
                adopt(Some(connection.into()))
            }
            Self::Connections(connections) => {
                adopt(connections.receive(connections.socket.get_ref())?)
            }
        }
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Listener(listener) => listener.local_addr(),
            // The port is the supervisor's; each connection knows its own address.
            Self::Connections(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl Connections {
    /// Receives a connection, but not when there is no room for its descriptor: the kernel would
    /// take it out of the socket and close it. Like this it waits for the next attempt.
    fn receive(&self, socket: &OwnedFd) -> io::Result<Option<OwnedFd>> {
        // The kernel gives the lowest free number, so room is short only when numbers are high.
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let highest = u64::try_from(self.highest.load(Ordering::Relaxed)).unwrap_or(0);
        if highest + MARGIN >= limit {
            drop(socket.try_clone()?);
        }
        let connection = fd_passing::receive(socket)?;
        if let Some(connection) = &connection {
            self.highest.fetch_max(connection.as_raw_fd(), Ordering::Relaxed);
        }
        Ok(connection)
    }
}

fn adopt(connection: Option<OwnedFd>) -> io::Result<Option<(TcpStream, SocketAddr)>> {
    let Some(connection) = connection else {
        return Ok(None);
    };
    let connection = StdStream::from(connection);
    let peer = connection.peer_addr()?;
    Ok(Some((TcpStream::from_std(connection)?, peer)))
}
