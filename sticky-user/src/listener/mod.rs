//! The listeners of the slots: opened once, kept for as long as the port is served.

mod door;
mod error;
mod holder;
mod queue;

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, Socket, Type};

use self::door::Door;
pub use error::Error;
pub use queue::Queue;

/// Listening sockets on one address, in the order of the slots.
///
/// They are opened with a closed door: the kernel drops every SYN, which the client's TCP repeats
/// a second later, until [`Listeners::open_door`] says that whatever picks the slot is in place.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<Socket>,
    address: SocketAddr,
    backlog: i32,
    door: Door,
}

impl Listeners {
    /// Opens `count` listeners on `address`; port 0 lets the kernel pick a free one. An IPv6
    /// wildcard address also serves IPv4. `backlog` is the length of each queue in connections;
    /// the kernel cuts it at `net.core.somaxconn`.
    pub fn open(address: SocketAddr, count: u32, backlog: u16) -> Result<Self, Error> {
        let backlog = i32::from(backlog);
        let first =
            bind(address, Sharing::Exclusive).map_err(|error| Error::bind(address, error))?;
        let address = local_address(&first)?;
        let closed = Error::step("keep the door closed");
        let door = Door::close_first(&first).map_err(&closed)?;
        // From now on the others may join; a second supervisor, which also asks for the port
        // exclusively first, may not, since this one listens.
        first.set_reuse_port(true).map_err(Error::step("share the port between the slots"))?;
        first.listen(backlog).map_err(|error| Error::bind(address, error))?;
        let mut sockets = vec![first];
        for _ in 1..count {
            let next =
                bind(address, Sharing::Slots).map_err(|error| Error::bind(address, error))?;
            door.close(&next).map_err(&closed)?;
            next.listen(backlog).map_err(|error| Error::bind(address, error))?;
            sockets.push(next);
        }
        Ok(Self { sockets, address, backlog, door })
    }

    /// Lets connections in.
    pub fn open_door(&self) -> Result<(), Error> {
        for socket in &self.sockets {
            self.door.open(socket).map_err(Error::step("open the door"))?;
        }
        Ok(())
    }

    /// Lets no further connection in; those that wait in the queues stay.
    pub fn close_door(&self) -> Result<(), Error> {
        for socket in &self.sockets {
            self.door.close(socket).map_err(Error::step("close the door"))?;
        }
        Ok(())
    }

    /// The address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The listener of a slot.
    pub fn get(&self, slot: u32) -> Option<BorrowedFd<'_>> {
        self.sockets.get(slot as usize).map(AsFd::as_fd)
    }

    /// All listeners, in the order of the slots.
    pub fn iter(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sockets.iter().map(AsFd::as_fd)
    }

    /// How many connections wait for a slot's worker.
    pub fn queue(&self, slot: u32) -> Option<Queue> {
        Queue::of(self.get(slot)?).ok()
    }

    /// Makes a slot listen again where its worker has shut the listener down, which ends it for
    /// every process that holds it. Tells whether that was so.
    pub fn revive(&self, slot: u32) -> Result<bool, Error> {
        let Some(socket) = self.sockets.get(slot as usize) else {
            return Ok(false);
        };
        let step = Error::step("listen again on a slot that its worker shut down");
        if socket.is_listener().map_err(&step)? {
            return Ok(false);
        }
        socket.listen(self.backlog).map_err(&step)?;
        Ok(true)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Exclusive,
    Slots,
}

fn bind(address: SocketAddr, sharing: Sharing) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // Connections of an earlier server that linger in TIME_WAIT do not keep the port.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(sharing == Sharing::Slots)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn local_address(socket: &Socket) -> Result<SocketAddr, Error> {
    let step = Error::step("ask for the address of the listener");
    let address = socket.local_addr().map_err(&step)?;
    address.as_socket().ok_or_else(|| step(std::io::ErrorKind::Unsupported.into()))
}
