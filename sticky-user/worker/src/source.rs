//! The descriptor that connections come from, as the mode has it.

use std::future;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};

use super::room::Room;
use sticky_contract::{SlotCount, Source as InheritedSource};
use sticky_sys::fd_passing;
use sticky_sys::readiness::{self, Watched};

/// Where connections come from, as a supervisor passes it.
#[derive(Debug)]
pub(super) struct Passed {
    pub(super) source: InheritedSource,
    /// See [`sticky_contract::Inherited::redistributed`].
    pub(super) redistributed: Option<OwnedFd>,
}

/// The same, in the runtime's hands.
#[derive(Debug)]
pub(super) struct Source {
    slots_own: SlotsOwn,
    redistributed: Option<Connections>,
    room: Room,
}

#[derive(Debug)]
enum SlotsOwn {
    Listener(TcpListener),
    Connections(Connections),
}

/// A socket that brings connections.
#[derive(Debug)]
struct Connections(Watched<OwnedFd>);

/// A client's connection and its address.
pub(super) type Accepted = (TcpStream, SocketAddr);

impl Source {
    /// Of one of `slots` workers.
    pub(super) fn new(passed: Passed, slots: SlotCount) -> io::Result<Self> {
        let slots_own = match passed.source {
            InheritedSource::Listener(listener) => {
                let listener = StdListener::from(listener);
                listener.set_nonblocking(true)?;
                SlotsOwn::Listener(TcpListener::from_std(listener)?)
            }
            InheritedSource::Connections(socket) => {
                SlotsOwn::Connections(Connections::new(socket)?)
            }
        };
        let redistributed = passed.redistributed.map(Connections::new).transpose()?;
        Ok(Self { slots_own, redistributed, room: Room::beside(slots) })
    }

    /// Waits for the next connection; `None` when no more can come to this slot.
    pub(super) async fn next(&mut self) -> io::Result<Option<Accepted>> {
        // Polled, since a future would take its place among those who wait, and leave it, once for
        // every connection.
        future::poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Accepted>>> {
        // First, since they have waited longer.
        if let Some(redistributed) = &self.redistributed
            && let Poll::Ready(next) = redistributed.poll_next(cx, &self.room)
        {
            match next.transpose() {
                Some(next) => return Poll::Ready(next.map(Some)),
                // No more will come.
                None => self.redistributed = None,
            }
        }
        match &self.slots_own {
            SlotsOwn::Listener(listener) => {
                self.room.look(listener)?;
                let accepted = ready!(listener.poll_accept(cx));
                Poll::Ready(
                    accepted.inspect(|(connection, _)| self.room.take(connection)).map(Some),
                )
            }
            SlotsOwn::Connections(connections) => connections.poll_next(cx, &self.room),
        }
    }

    /// A connection that waits already; `WouldBlock` or `None` when there is none.
    ///
    /// The system call is asked, not the runtime's notion of readiness, which may lag behind.
    pub(super) fn next_waiting(&self) -> io::Result<Option<Accepted>> {
        let own = match &self.slots_own {
            SlotsOwn::Listener(listener) => accept_waiting(listener, &self.room),
            SlotsOwn::Connections(connections) => connections.next_waiting(&self.room),
        };
        match (own, &self.redistributed) {
            (Ok(None), Some(redistributed)) => redistributed.next_waiting(&self.room),
            (Err(error), Some(redistributed)) if error.kind() == io::ErrorKind::WouldBlock => {
                redistributed.next_waiting(&self.room)
            }
            (own, _) => own,
        }
    }
}

fn accept_waiting(listener: &TcpListener, room: &Room) -> io::Result<Option<Accepted>> {
    room.look(listener)?;
    let (connection, _) = SockRef::from(listener).accept()?;
    connection.set_nonblocking(true)?;
    taken(Some(connection.into()))
}

impl Connections {
    fn new(socket: OwnedFd) -> io::Result<Self> {
        readiness::watch(socket, Interest::READABLE).map(Self)
    }

    fn poll_next(&self, cx: &mut Context<'_>, room: &Room) -> Poll<io::Result<Option<Accepted>>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(cx))?;
            if let Ok(received) = ready.try_io(|socket| receive(socket.get_ref(), room)) {
                return Poll::Ready(received.and_then(taken));
            }
        }
    }

    fn next_waiting(&self, room: &Room) -> io::Result<Option<Accepted>> {
        taken(receive(self.0.get_ref(), room)?)
    }
}

/// Receives a connection, but not when there is no room for its descriptor: the kernel would take it
/// out of the socket and close it. Like this it waits for the next attempt.
fn receive(socket: &OwnedFd, room: &Room) -> io::Result<Option<OwnedFd>> {
    room.look(socket)?;
    let connection = fd_passing::receive(socket)?;
    Ok(connection.inspect(|connection| room.take(connection)))
}

fn taken(connection: Option<OwnedFd>) -> io::Result<Option<Accepted>> {
    let Some(connection) = connection else {
        return Ok(None);
    };
    let connection = StdStream::from(connection);
    let peer = connection.peer_addr()?;
    Ok(Some((TcpStream::from_std(connection)?, peer)))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    /// A connection, and the client's address of it.
    fn connection() -> (OwnedFd, StdStream) {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let client = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        accepted.set_nonblocking(true).unwrap();
        (accepted.into(), client)
    }

    #[tokio::test]
    async fn redistributed_connections_come_beside_the_slots_own() {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (near, far) = fd_passing::pair(10).unwrap();
        let source = InheritedSource::Listener(listener.into());
        let mut source =
            Source::new(Passed { source, redistributed: Some(far) }, SlotCount::default()).unwrap();

        let (redistributed, client) = connection();
        fd_passing::send(&near, redistributed.as_fd()).unwrap();
        let (_, peer) = source.next().await.unwrap().unwrap();
        assert_eq!(peer, client.local_addr().unwrap());

        let (redistributed, client) = connection();
        fd_passing::send(&near, redistributed.as_fd()).unwrap();
        let own = StdStream::connect(address).unwrap();
        let mut waiting = [(); 2].map(|()| source.next_waiting().unwrap().unwrap().1);
        let mut expected = [own, client].map(|client| client.local_addr().unwrap());
        waiting.sort_unstable();
        expected.sort_unstable();
        assert_eq!(waiting, expected);
        assert_eq!(source.next_waiting().unwrap_err().kind(), io::ErrorKind::WouldBlock);

        drop(near);
        assert!(source.next_waiting().unwrap().is_none());
        let own = StdStream::connect(address).unwrap();
        let (_, peer) = source.next().await.unwrap().unwrap();
        assert_eq!(
            peer,
            own.local_addr().unwrap(),
            "the end of the redistributed ones is not the end"
        );
    }

    #[tokio::test]
    async fn the_end_of_the_slots_own_is_the_end() {
        let (near, far) = fd_passing::pair(10).unwrap();
        let (_stays_open, redistributed) = fd_passing::pair(10).unwrap();
        let passed = Passed {
            source: InheritedSource::Connections(far),
            redistributed: Some(redistributed),
        };
        let mut source = Source::new(passed, SlotCount::default()).unwrap();
        drop(near);
        assert!(source.next().await.unwrap().is_none());
    }
}
