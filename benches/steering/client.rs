//! One client at a time: connect, ask, read the answer, close.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use rustix::io::Errno;
use socket2::{Domain, Socket, Type};
use sticky_benches::http::{LARGEST_ANSWER, REQUEST, slot, whole_body};

/// A connection on its way.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    /// Its place among the sources.
    pub(crate) source: usize,
    start: Instant,
    asked: bool,
    answer: [u8; LARGEST_ANSWER],
    filled: usize,
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) slot: Option<u32>,
    pub(crate) latency: Duration,
}

impl Client {
    pub(crate) fn connect(from: Ipv4Addr, source: usize, to: SocketAddr) -> io::Result<Self> {
        let start = Instant::now();
        let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None)?;
        // The end is a reset: no port is held in TIME_WAIT, on neither side.
        socket.set_linger(Some(Duration::ZERO))?;
        socket.bind(&SocketAddr::from((from, 0)).into())?;
        match socket.connect(&to.into()) {
            Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => {
                return Err(error);
            }
            _ => {}
        }
        let stream = TcpStream::from_std(socket.into());
        let mut client =
            Self { stream, source, start, asked: false, answer: [0; LARGEST_ANSWER], filled: 0 };
        // On loopback the connection is there already, unless the queue is full.
        client.ask()?;
        Ok(client)
    }

    fn ask(&mut self) -> io::Result<()> {
        match self.stream.write(REQUEST) {
            Ok(length) if length == REQUEST.len() => self.asked = true,
            Ok(_) => return Err(io::ErrorKind::WriteZero.into()),
            Err(error) if is_early(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Goes on as far as it can without waiting.
    pub(crate) fn go_on(&mut self) -> io::Result<Option<Answer>> {
        if !self.asked {
            self.ask()?;
        }
        loop {
            match self.stream.read(self.answer.get_mut(self.filled..).unwrap_or_default()) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => self.filled += length,
                Err(error) if is_early(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
            if let Some(body) = whole_body(self.answer.get(..self.filled).unwrap_or_default())? {
                return Ok(Some(Answer { slot: slot(body), latency: self.start.elapsed() }));
            }
        }
    }
}

fn is_early(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected)
}
