//! One idle connection, and what its client says on it.

use std::io::{self, Read as _};
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Result, ensure};
use mio::net::TcpStream;
use socket2::SockRef;
use sticky_benches::connect::connect;
use sticky_benches::http::REQUEST;
use sticky_benches::socketio::{self, PING, PONG};
use tungstenite::{Error, Message, WebSocket};

use crate::kind::Kind;
use crate::polling::{Polling, exchange};

pub(crate) enum Connection {
    WebSocket(Box<WebSocket<TcpStream>>),
    Polling(Polling),
    Http(TcpStream),
}

impl Connection {
    /// Opens it up to where nothing happens but pings, waiting for each answer. It does not block from
    /// then on.
    pub(crate) fn open(kind: Kind, from: Ipv4Addr, to: SocketAddr) -> Result<Self> {
        let stream = connect(from, to)?;
        let mut connection = match kind {
            Kind::Websocket => Self::WebSocket(Box::new(socketio::open(stream, to)?)),
            Kind::Upgraded => {
                let polling = Polling::open(stream)?;
                let socket = socketio::upgrade(connect(from, to)?, to, polling.session())?;
                close(polling.into_stream())?;
                Self::WebSocket(Box::new(socket))
            }
            Kind::Polling => {
                let mut polling = Polling::open(stream)?;
                polling.wait_for_packets()?;
                Self::Polling(polling)
            }
            Kind::Http => {
                let mut stream = stream;
                let body = exchange(&mut stream, REQUEST)?;
                ensure!(body.starts_with("{\"slot\":"), "an unexpected answer: {body}");
                Self::Http(stream)
            }
        };
        rustix::io::ioctl_fionbio(connection.stream(), true)?;
        Ok(connection)
    }

    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        match self {
            Self::WebSocket(socket) => socket.get_mut(),
            Self::Polling(polling) => polling.stream(),
            Self::Http(stream) => stream,
        }
    }

    /// Reads what has come, answers pings, and tells how many. The end of the connection is an error.
    pub(crate) fn answer(&mut self) -> io::Result<usize> {
        match self {
            Self::WebSocket(socket) => answer(socket),
            Self::Polling(polling) => polling.answer(),
            Self::Http(stream) => match stream.read(&mut [0]) {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => Err(io::Error::other("an answer that nobody asked for")),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
                Err(error) => Err(error),
            },
        }
    }
}

fn answer(socket: &mut WebSocket<TcpStream>) -> io::Result<usize> {
    let mut pings = 0;
    loop {
        let message = match socket.read() {
            Ok(message) => message,
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(pings),
            Err(Error::Io(error)) => return Err(error),
            Err(error) => return Err(io::Error::other(error)),
        };
        if message.is_close() {
            return Err(io::Error::other("a Close frame"));
        }
        // Anything else is a greeting of the application.
        if message.to_text().map_err(io::Error::other)? == PING {
            socket.send(Message::text(PONG)).map_err(io::Error::other)?;
            pings += 1;
        }
    }
}

/// Closes a connection as a client does that needs it no more.
pub(crate) fn close(stream: TcpStream) -> io::Result<()> {
    SockRef::from(&stream).set_linger(None)?;
    drop(stream);
    Ok(())
}
