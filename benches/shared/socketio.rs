//! As much of Socket.IO as the load needs.
//!
//! Packets are text: Engine.IO's type (0 open, 1 close, 2 ping, 3 pong, 4 message, 5 upgrade), and
//! behind a 4 the type of Socket.IO (0 connect, 2 event, 3 acknowledgement).

use std::net::SocketAddr;

use anyhow::{Result, anyhow, bail, ensure};
use mio::net::TcpStream;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket};

/// Asks for a namespace, and what the answer begins with.
pub const CONNECT: &str = "40";
/// The server's.
pub const PING: &str = "2";
/// The client's.
pub const PONG: &str = "3";
/// The end of the session.
pub const CLOSE: &str = "1";
/// Both ways of asking, up to the transport.
pub const PATH: &str = "/socket.io/?EIO=4&transport=";

/// Bytes. The default of 128 kB would be much for tens of thousands of clients.
const READ_BUFFER: usize = 1024;

/// Opens a session over a WebSocket, up to where messages can be sent.
pub fn open(stream: TcpStream, to: SocketAddr) -> Result<WebSocket<TcpStream>> {
    let mut socket = websocket(stream, to, "")?;
    let open = socket.read()?;
    ensure!(open.to_text()?.starts_with('0'), "not an Engine.IO server: {open}");
    socket.send(Message::text(CONNECT))?;
    loop {
        match socket.read()?.to_text()? {
            PING => socket.send(Message::text(PONG))?,
            text if text.starts_with(CONNECT) => return Ok(socket),
            other => bail!("not connected: {other}"),
        }
    }
}

/// Brings a session that began with polling to a WebSocket.
pub fn upgrade(stream: TcpStream, to: SocketAddr, session: &str) -> Result<WebSocket<TcpStream>> {
    const PROBE: &str = "2probe";
    const ANSWER: &str = "3probe";
    const UPGRADE: &str = "5";
    let mut socket = websocket(stream, to, &format!("&sid={session}"))?;
    socket.send(Message::text(PROBE))?;
    let answer = socket.read()?;
    ensure!(answer.to_text()? == ANSWER, "not upgraded: {answer}");
    socket.send(Message::text(UPGRADE))?;
    Ok(socket)
}

fn websocket(stream: TcpStream, to: SocketAddr, more: &str) -> Result<WebSocket<TcpStream>> {
    let url = format!("ws://{to}{PATH}websocket{more}");
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    let socket = tungstenite::client::client_with_config(url, stream, Some(config));
    Ok(socket.map_err(|error| anyhow!("no WebSocket from {to}: {error}"))?.0)
}
