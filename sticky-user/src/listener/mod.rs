//! The listeners of the slots: opened once, kept for as long as the port is served.

mod door;
mod error;
mod holder;
mod queue;
mod strangers;

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use socket2::{Domain, Protocol, Socket, Type};

use self::door::Door;
pub use error::Error;
pub use queue::Queue;
pub use strangers::{Stranger, Strangers};

/// Listening sockets on one address, in the order of the slots.
///
/// They are opened with a closed door: the kernel drops every SYN, which the client's TCP repeats
/// a second later, until [`Listeners::open_door`] says that whatever picks the slot is in place.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<Socket>,
    address: SocketAddr,
    backlog: i32,
    /// What keeps the door closed.
    door: Option<Door>,
}

impl Listeners {
    /// Opens `count` listeners on `address`; port 0 lets the kernel pick a free one. An IPv6
    /// wildcard address also serves IPv4. `backlog` is the length of each queue in connections;
    /// the kernel cuts it at `net.core.somaxconn`.
    pub fn open(address: SocketAddr, count: u32, backlog: u16) -> Result<Self, Error> {
        let backlog = i32::from(backlog);
        let bind =
            |address, sharing| bind(address, sharing).map_err(|error| Error::bind(address, error));
        let found = bind(address, Sharing::Exclusive)?;
        let address = local_address(&found)?;
        // A second time, by its number: a socket that the kernel chose a port for loses it when a
        // worker shuts it down.
        let first = bind(address, Sharing::Exclusive)?;
        let closed = Error::step("keep the door closed");
        let door = Door::close_first(&first).map_err(&closed)?;
        // From now on the others may join; a second supervisor, which also asks for the port
        // exclusively first, may not, since this one listens.
        first.set_reuse_port(true).map_err(Error::step("share the port between the slots"))?;
        first.listen(backlog).map_err(|error| Error::bind(address, error))?;
        let mut sockets = vec![first];
        for _ in 1..count {
            let next = bind(address, Sharing::Slots)?;
            door.close(&next).map_err(&closed)?;
            next.listen(backlog).map_err(|error| Error::bind(address, error))?;
            sockets.push(next);
        }
        Ok(Self { sockets, address, backlog, door: Some(door) })
    }

    /// Takes over the listeners that [`Listeners::kept`] gave, from slot 0 on.
    pub fn resume(sockets: Vec<OwnedFd>, backlog: u16) -> Result<Self, Error> {
        let sockets: Vec<Socket> = sockets.into_iter().map(Socket::from).collect();
        let missing = || Error::step("find a listener")(std::io::ErrorKind::NotFound.into());
        let address = local_address(sockets.first().ok_or_else(missing)?)?;
        Ok(Self { sockets, address, backlog: i32::from(backlog), door: None })
    }

    /// Duplicates of all listeners with names, for [`Listeners::resume`].
    pub fn kept(&self) -> std::io::Result<Vec<(String, OwnedFd)>> {
        let named = (0..).zip(self.iter());
        named.map(|(slot, it)| Ok((name(slot), it.try_clone_to_owned()?))).collect()
    }

    /// Lets connections in.
    pub fn open_door(&self) -> Result<(), Error> {
        let Some(door) = self.door else {
            return Ok(());
        };
        let opened = self.sockets.iter().try_for_each(|socket| door.open(socket));
        opened.map_err(Error::step("open the door"))
    }

    /// Lets no further connection in; those that wait in the queues stay.
    pub fn close_door(&self) -> Result<(), Error> {
        for socket in &self.sockets {
            Door::close_first(socket).map_err(Error::step("close the door"))?;
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

/// The name under which the listener of a slot is kept.
pub fn name(slot: u32) -> String {
    format!("listener-{slot}")
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
