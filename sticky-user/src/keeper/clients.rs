//! Clients of the control socket while there is no supervisor.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketFlags, accept_with, send};
use rustix::process::geteuid;

use sticky_sys::credentials;

/// The most clients at a time; for another one, the oldest is sent away.
const MOST: usize = 32;
/// The head of a request, in bytes. What comes behind is not read.
const LONGEST: usize = 8 * 1024;
/// How long a client may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Clients, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Clients(Vec<Client>);

#[derive(Debug)]
struct Client {
    socket: OwnedFd,
    until: Instant,
    head: Vec<u8>,
    /// What is left to be sent, when the head was read.
    answer: Option<Vec<u8>>,
}

impl Clients {
    /// Lets in all clients that wait at `listener`, which is non-blocking, up to a limit.
    pub(super) fn accept(
        &mut self,
        listener: impl AsFd,
        answer: impl Fn(&[u8]) -> Vec<u8>,
    ) -> io::Result<()> {
        for _ in 0..MOST {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = match accept_with(&listener, flags) {
                Err(Errno::AGAIN) => break,
                accepted => accepted?,
            };
            let user = credentials::peer(&socket).map(|peer| peer.uid);
            if !user.is_ok_and(|user| user.is_root() || user == geteuid()) {
                continue;
            }
            if self.0.len() >= MOST {
                self.0.remove(0).end(&answer);
            }
            let until = Instant::now() + PATIENCE;
            self.0.push(Client { socket, until, head: Vec::new(), answer: None });
        }
        Ok(())
    }

    /// The sockets, and what is waited for at each.
    pub(super) fn sockets(&self) -> impl Iterator<Item = (&OwnedFd, PollFlags)> {
        self.0.iter().map(|client| {
            let flags = if client.answer.is_some() { PollFlags::OUT } else { PollFlags::IN };
            (&client.socket, flags)
        })
    }

    /// When the time of the next one is over.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.iter().map(|client| client.until).min()
    }

    /// Goes on with each of them, as far as it goes without waiting.
    pub(super) fn go_on(&mut self, answer: impl Fn(&[u8]) -> Vec<u8>) {
        let now = Instant::now();
        let clients = std::mem::take(&mut self.0);
        for mut client in clients {
            if client.until <= now {
                client.end(&answer);
            } else if client.go_on(&answer).is_ok_and(|goes_on| goes_on) {
                self.0.push(client);
            }
        }
    }

    /// Answers all clients, whatever they have asked: there is a supervisor again.
    pub(super) fn end(&mut self, answer: impl Fn(&[u8]) -> Vec<u8>) {
        self.0.drain(..).for_each(|client| client.end(&answer));
    }
}

impl Client {
    /// Reads and writes what there is. Tells whether there will be more.
    fn go_on(&mut self, answer: impl Fn(&[u8]) -> Vec<u8>) -> io::Result<bool> {
        while self.answer.is_none() {
            let mut part = [0; 1024];
            let length = match rustix::io::read(&self.socket, &mut part) {
                Err(Errno::AGAIN | Errno::INTR) => return Ok(true),
                read => read?,
            };
            self.head.extend_from_slice(part.get(..length).unwrap_or_default());
            let whole = self.head.windows(4).any(|end| end == b"\r\n\r\n");
            if whole || length == 0 || self.head.len() >= LONGEST {
                self.answer = Some(answer(&self.head));
            }
        }
        while let Some(left) = self.answer.as_mut().filter(|left| !left.is_empty()) {
            match send(&self.socket, left, SendFlags::NOSIGNAL) {
                Err(Errno::AGAIN | Errno::INTR) => return Ok(true),
                sent => drop(left.drain(..sent?)),
            }
        }
        Ok(false)
    }

    /// Answers at once, as far as it goes.
    fn end(mut self, answer: impl Fn(&[u8]) -> Vec<u8>) {
        if self.answer.is_none() {
            self.answer = Some(answer(&self.head));
        }
        // A client that does not read has had its time.
        let _ = self.go_on(answer);
    }
}
