//! Messages of Socket.IO over a WebSocket that the server sends back in an acknowledgement.

use std::io;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use mio::net::TcpStream;
use sticky_benches::socketio::{self, PING, PONG};
use tungstenite::{Error, Message, WebSocket};

use crate::conversation::Conversation;

/// As a line in a chat.
const EVENT: &str =
    r#"420["echo","a line in a chat, as long as such lines are, sixty-four bytes..."]"#;
const ANSWER: &str = "430";

pub(crate) struct SocketIo(WebSocket<TcpStream>);

impl SocketIo {
    pub(crate) fn open(stream: TcpStream, to: SocketAddr) -> Result<Self> {
        let socket = socketio::open(stream, to)?;
        rustix::io::ioctl_fionbio(socket.get_ref(), true).context("cannot stop to block")?;
        Ok(Self(socket))
    }
}

impl Conversation for SocketIo {
    fn stream(&mut self) -> &mut TcpStream {
        self.0.get_mut()
    }

    fn ask(&mut self) -> io::Result<()> {
        self.0.send(Message::text(EVENT)).map_err(io::Error::other)
    }

    fn is_answered(&mut self) -> io::Result<bool> {
        loop {
            let message = match self.0.read() {
                Ok(message) => message,
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(false);
                }
                Err(error) => return Err(io::Error::other(error)),
            };
            match message.to_text().map_err(io::Error::other)? {
                text if text.starts_with(ANSWER) => return Ok(true),
                PING => self.0.send(Message::text(PONG)).map_err(io::Error::other)?,
                // The chat's welcome.
                _ => {}
            }
        }
    }
}
