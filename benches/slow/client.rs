//! One slow client.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::TcpStream;
use sticky_benches::connect::connect;

use crate::kind::Kind;

/// A client, and how long it was connected. One that is closed has no stream.
pub(crate) struct Client {
    pub(crate) stream: Option<TcpStream>,
    since: Instant,
    pub(crate) lasted: Duration,
}

impl Client {
    /// Connects and sends what comes first. It does not block from then on.
    pub(crate) fn open(kind: Kind, from: Ipv4Addr, to: SocketAddr) -> io::Result<Self> {
        let since = Instant::now();
        let mut stream = connect(from, to)?;
        stream.write_all(kind.opening())?;
        rustix::io::ioctl_fionbio(&stream, true)?;
        Ok(Self { stream: Some(stream), since, lasted: Duration::ZERO })
    }

    /// Something happened. A client that does not read its answer sees only the end.
    pub(crate) fn look(&mut self, kind: Kind, event: &Event) {
        let is_over = event.is_error()
            || event.is_read_closed()
            || (kind != Kind::Answer && self.reads_the_end());
        if is_over {
            self.close();
        }
    }

    /// Sends one byte more.
    pub(crate) fn send(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        if stream.write_all(b"x").is_err() {
            self.close();
        }
    }

    fn reads_the_end(&mut self) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        loop {
            match stream.read(&mut [0; 1024]) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Ok(0) | Err(_) => return true,
            }
        }
    }

    fn close(&mut self) {
        if self.stream.take().is_some() {
            self.lasted = self.since.elapsed();
        }
    }
}
