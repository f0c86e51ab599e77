//! A client on an open connection.

use std::io;

use mio::net::TcpStream;

/// A client that asks, and asks again when it has its answer.
pub(crate) trait Conversation: Send {
    /// The connection.
    fn stream(&mut self) -> &mut TcpStream;

    /// Sends the next message.
    fn ask(&mut self) -> io::Result<()>;

    /// Whether the answer is there; reads what has come.
    fn is_answered(&mut self) -> io::Result<bool>;
}
