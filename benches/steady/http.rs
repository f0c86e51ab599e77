//! HTTP requests on a connection that is kept.

use std::io::{self, Read as _, Write as _};

use mio::net::TcpStream;
use sticky_benches::http::{LARGEST_ANSWER, REQUEST, whole_body};

use crate::conversation::Conversation;

pub(crate) struct Http {
    stream: TcpStream,
    answer: [u8; LARGEST_ANSWER],
    filled: usize,
}

impl Http {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&stream, true)?;
        Ok(Self { stream, answer: [0; LARGEST_ANSWER], filled: 0 })
    }
}

impl Conversation for Http {
    fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    fn ask(&mut self) -> io::Result<()> {
        self.filled = 0;
        // One request on its way always has room.
        self.stream.write_all(REQUEST)
    }

    fn is_answered(&mut self) -> io::Result<bool> {
        loop {
            match self.stream.read(self.answer.get_mut(self.filled..).unwrap_or_default()) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => self.filled += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
            if whole_body(self.answer.get(..self.filled).unwrap_or_default())?.is_some() {
                return Ok(true);
            }
        }
    }
}
