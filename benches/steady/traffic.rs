//! What is spoken.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use mio::net::TcpStream;
use socket2::{Domain, Socket, Type};

use crate::conversation::Conversation;
use crate::http::Http;
use crate::socketio::SocketIo;

/// What is spoken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Traffic {
    Http,
    SocketIo,
}

impl Traffic {
    /// Opens a connection, up to where messages can be sent.
    pub(crate) fn open(self, from: Ipv4Addr, to: SocketAddr) -> Result<Box<dyn Conversation>> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((from, 0)).into())?;
        socket.connect(&to.into())?;
        socket.set_tcp_nodelay(true)?;
        // It blocks until the conversation says otherwise.
        let stream = TcpStream::from_std(socket.into());
        Ok(match self {
            Self::Http => Box::new(Http::new(stream)?),
            Self::SocketIo => Box::new(SocketIo::open(stream, to)?),
        })
    }

    /// For programs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::SocketIo => "socket_io",
        }
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "HTTP keep-alive",
            Self::SocketIo => "Socket.IO",
        })
    }
}
