//! Messages of Socket.IO over a WebSocket that the server sends back in an acknowledgement.
//!
//! Packets are text: Engine.IO's type (0 open, 2 ping, 3 pong, 4 message), and behind a 4 the type of
//! Socket.IO (0 connect, 2 event, 3 acknowledgement).

use std::io;
use std::net::SocketAddr;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use mio::net::TcpStream;
use tungstenite::{Error, Message, WebSocket, client};

use crate::conversation::Conversation;

/// As a line in a chat.
const EVENT: &str =
    r#"420["echo","a line in a chat, as long as such lines are, sixty-four bytes..."]"#;
const ANSWER: &str = "430";
const PING: &str = "2";
const PONG: &str = "3";

pub(crate) struct SocketIo(WebSocket<TcpStream>);

impl SocketIo {
    pub(crate) fn open(stream: TcpStream, to: SocketAddr) -> Result<Self> {
        let url = format!("ws://{to}/socket.io/?EIO=4&transport=websocket");
        let (mut socket, _) =
            client(url, stream).map_err(|error| anyhow!("no WebSocket from {to}: {error}"))?;
        let open = socket.read()?;
        ensure!(open.to_text()?.starts_with('0'), "not an Engine.IO server: {open}");
        socket.send(Message::text("40"))?;
        loop {
            match socket.read()?.to_text()? {
                PING => socket.send(Message::text(PONG))?,
                text if text.starts_with("40") => break,
                other => bail!("not connected: {other}"),
            }
        }
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
