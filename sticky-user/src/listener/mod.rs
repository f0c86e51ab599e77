//! The listeners of the slots: opened once, kept for as long as the port is served.

mod diag;
mod error;
mod foreign;
mod holder;
mod mend;
mod queue;
mod syn_gate;

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use socket2::{Domain, Protocol, Socket, Type};

use self::syn_gate::SynGate;
pub use error::Error;
pub use foreign::{ForeignListener, Takes, find as foreign_listeners};
pub use mend::{Fault, Gone, Order};
pub use queue::Queue;

/// Listening sockets on one address, in the order of the slots.
///
/// They are opened with a closed SYN gate: the kernel drops every SYN, which the client's TCP repeats
/// a second later, until [`Listeners::open_gate`] says that what picks the slot is in place.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<Listener>,
    address: SocketAddr,
    backlog: i32,
    /// An earlier supervisor opened them, and may have closed their gates.
    resumed: bool,
}

#[derive(Debug)]
struct Listener {
    socket: Socket,
    /// What keeps its SYN gate closed.
    gate: Option<SynGate>,
}

impl Listeners {
    /// Opens `count` listeners on `address`; port 0 lets the kernel pick a free one. An IPv6
    /// wildcard address also serves IPv4. `backlog` is the length of each queue in connections;
    /// the kernel cuts it at `net.core.somaxconn`.
    pub fn open(address: SocketAddr, count: u32, backlog: u16) -> Result<Self, Error> {
        let mut this = Self::first(address, backlog, Sharing::Slots)?;
        for _ in 1..count {
            let next = this.closed(Sharing::Slots)?;
            this.listen(&next)?;
            this.sockets.push(next);
        }
        Ok(this)
    }

    /// Opens one listener on a port that nobody else can join.
    pub fn open_alone(address: SocketAddr, backlog: u16) -> Result<Self, Error> {
        Self::first(address, backlog, Sharing::Exclusive)
    }

    fn first(address: SocketAddr, backlog: u16, sharing: Sharing) -> Result<Self, Error> {
        let found = bind(address, Sharing::Exclusive).map_err(|it| Error::bind(address, it))?;
        let address = local_address(&found)?;
        let backlog = i32::from(backlog);
        let mut this = Self { sockets: Vec::new(), address, backlog, resumed: false };
        // A second time, by its number: a socket that the kernel chose a port for loses it when a
        // worker shuts it down.
        let first = this.closed(Sharing::Exclusive)?;
        // From now on the others may join; a second supervisor, which also asks for the port
        // exclusively first, may not, since this one listens.
        let shared = first.socket.set_reuse_port(sharing == Sharing::Slots);
        shared.map_err(Error::step("share the port between the slots"))?;
        this.listen(&first)?;
        this.sockets.push(first);
        Ok(this)
    }

    /// A socket at the address whose gate is closed, and which does not listen yet.
    fn closed(&self, sharing: Sharing) -> Result<Listener, Error> {
        let socket =
            bind(self.address, sharing).map_err(|error| Error::bind(self.address, error))?;
        let gate =
            SynGate::close_first(&socket).map_err(Error::step("keep the SYN gate closed"))?;
        Ok(Listener { socket, gate: Some(gate) })
    }

    fn listen(&self, listener: &Listener) -> Result<(), Error> {
        let listens = listener.socket.listen(self.backlog);
        listens.map_err(|error| Error::bind(self.address, error))
    }

    /// Takes over the listeners that [`Listeners::kept`] gave, from slot 0 on.
    pub fn resume(address: SocketAddr, sockets: Vec<OwnedFd>, backlog: u16) -> Self {
        let sockets = sockets.into_iter();
        let sockets = sockets.map(|it| Listener { socket: it.into(), gate: None }).collect();
        Self { sockets, address, backlog: i32::from(backlog), resumed: true }
    }

    /// Duplicates of all listeners with names, for [`Listeners::resume`].
    pub fn kept(&self) -> std::io::Result<Vec<(String, OwnedFd)>> {
        let named = (0..).zip(self.iter());
        named.map(|(slot, it)| Ok((name(slot), it.try_clone_to_owned()?))).collect()
    }

    /// Lets connections in.
    pub fn open_gate(&mut self) -> Result<(), Error> {
        let mut opened = Ok(());
        for Listener { socket, gate } in &mut self.sockets {
            if let Some(open) = gate.take().map(|gate| gate.open(socket)) {
                opened = opened.and(open);
            }
        }
        if std::mem::take(&mut self.resumed) {
            self.sockets.iter().for_each(|it| SynGate::open_any(&it.socket));
        }
        opened.map_err(Error::step("open the SYN gate"))
    }

    /// Lets no further connection in; those that wait in the queues stay.
    pub fn close_gate(&mut self) -> Result<(), Error> {
        let mut closed = Ok(());
        for Listener { socket, gate } in &mut self.sockets {
            match SynGate::close_first(socket) {
                Ok(by) => *gate = Some(by),
                Err(error) => closed = Err(error),
            }
        }
        closed.map_err(Error::step("close the SYN gate"))
    }

    /// The address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The listener of a slot.
    pub fn get(&self, slot: u32) -> Option<BorrowedFd<'_>> {
        self.sockets.get(slot as usize).map(|it| it.socket.as_fd())
    }

    /// Whether the listener of a slot listens; another process may have ended it.
    pub fn is_listening(&self, slot: u32) -> bool {
        let listener = self.sockets.get(slot as usize);
        listener.is_some_and(|it| it.socket.is_listener().unwrap_or(false))
    }

    /// All listeners, in the order of the slots.
    pub fn iter(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sockets.iter().map(|it| it.socket.as_fd())
    }

    /// How many connections may wait at each, unless a worker has changed it.
    pub fn queue_limit(&self) -> u32 {
        queue::allowed(self.backlog.unsigned_abs())
    }

    /// How many connections wait for a slot's worker.
    pub fn queue(&self, slot: u32) -> Option<Queue> {
        Queue::of(self.get(slot)?).ok()
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
