//! The descriptor that connections come from, as the mode has it.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::os::fd::OwnedFd;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpListener, TcpStream};

use crate::sys::{fd_passing, readiness};

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
    Connections(AsyncFd<OwnedFd>),
}

impl Source {
    pub(super) fn new(passed: Passed) -> io::Result<Self> {
        Ok(match passed {
            Passed::Listener(listener) => {
                let listener = StdListener::from(listener);
                listener.set_nonblocking(true)?;
                Self::Listener(TcpListener::from_std(listener)?)
            }
            Passed::Connections(socket) => {
                Self::Connections(readiness::watch(socket, Interest::READABLE)?)
            }
        })
    }

    /// Waits for the next connection; `None` when no more can come.
    pub(super) async fn next(&self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        match self {
            Self::Listener(listener) => listener.accept().await.map(Some),
            Self::Connections(socket) => {
                let receive = |socket: &OwnedFd| fd_passing::receive(socket);
                adopt(socket.async_io(Interest::READABLE, receive).await?)
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
            Self::Connections(socket) => fd_passing::receive(socket.get_ref()).and_then(adopt),
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

fn adopt(connection: Option<OwnedFd>) -> io::Result<Option<(TcpStream, SocketAddr)>> {
    let Some(connection) = connection else {
        return Ok(None);
    };
    let connection = StdStream::from(connection);
    let peer = connection.peer_addr()?;
    Ok(Some((TcpStream::from_std(connection)?, peer)))
}
