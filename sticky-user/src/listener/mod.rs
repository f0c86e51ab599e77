//! The listeners of the slots: opened once, kept for as long as the port is served.

mod diag;
mod error;
mod foreign;
mod holder;
mod queue;
mod repair;
mod syn_gate;

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use socket2::{Domain, Protocol, Socket, Type};
use sticky_contract::{PerSlot, SlotCount, SlotId};

use self::syn_gate::SynGate;
use crate::step::Step as _;
pub(crate) use error::Error;
pub(crate) use foreign::{ForeignListener, find as foreign_listeners};
pub(crate) use queue::Queue;
pub(crate) use repair::{Fault, Gone, Order};

/// Listening sockets on one address, one for each slot.
///
/// They are opened with a closed SYN gate: the kernel drops every SYN, which the client's TCP repeats
/// a second later, until [`Listeners::open_gate`] says that what picks the slot is in place.
#[derive(Debug)]
pub struct Listeners {
    sockets: PerSlot<Listener>,
    port: Port,
    /// An earlier supervisor opened them, and may have closed their gates.
    resumed: bool,
}

/// What all listeners have in common.
#[derive(Clone, Copy, Debug)]
struct Port {
    address: SocketAddr,
    backlog: i32,
}

#[derive(Debug)]
struct Listener {
    socket: Socket,
    /// What keeps its SYN gate closed.
    gate: Option<SynGate>,
}

impl Listeners {
    /// Opens a listener for each slot on `address`; port 0 lets the kernel pick a free one. An IPv6
    /// wildcard address also serves IPv4. `backlog` is the length of each queue in connections;
    /// the kernel cuts it at `net.core.somaxconn`.
    pub fn open(address: SocketAddr, slots: SlotCount, backlog: u16) -> Result<Self, Error> {
        let (port, first) = Port::first(address, backlog, Sharing::Slots)?;
        let mut first = Some(first);
        let sockets = PerSlot::try_new(slots, |_| match first.take() {
            Some(first) => Ok(first),
            None => port.listener(),
        });
        Ok(Self { sockets: sockets?, port, resumed: false })
    }

    /// Opens one listener, as that of the first slot, on a port that nobody else can join.
    pub fn open_alone(address: SocketAddr, backlog: u16) -> Result<Self, Error> {
        let (port, alone) = Port::first(address, backlog, Sharing::Exclusive)?;
        Ok(Self { sockets: PerSlot::one(alone), port, resumed: false })
    }

    /// Takes over the listeners that [`Listeners::kept`] gave.
    pub fn resume(address: SocketAddr, sockets: PerSlot<OwnedFd>, backlog: u16) -> Self {
        let sockets = sockets.into_map(|_, it| Listener { socket: it.into(), gate: None });
        let port = Port { address, backlog: i32::from(backlog) };
        Self { sockets, port, resumed: true }
    }

    /// Duplicates of all listeners with names, for [`Listeners::resume`].
    pub fn kept(&self) -> std::io::Result<Vec<(String, OwnedFd)>> {
        self.iter().map(|(slot, it)| Ok((name(slot), it.try_clone_to_owned()?))).collect()
    }

    /// Lets connections in.
    pub fn open_gate(&mut self) -> Result<(), Error> {
        let mut opened = Ok(());
        for Listener { socket, gate } in self.sockets.values_mut() {
            if let Some(open) = gate.take().map(|gate| gate.open(socket)) {
                opened = opened.and(open);
            }
        }
        if std::mem::take(&mut self.resumed) {
            self.sockets.values().for_each(|it| SynGate::open_any(&it.socket));
        }
        Ok(opened.step("open the SYN gate")?)
    }

    /// Lets no further connection in; connections that wait in the queues stay.
    pub fn close_gate(&mut self) -> Result<(), Error> {
        let mut closed = Ok(());
        for Listener { socket, gate } in self.sockets.values_mut() {
            match SynGate::close_first(socket) {
                Ok(by) => *gate = Some(by),
                Err(error) => closed = Err(error),
            }
        }
        Ok(closed.step("close the SYN gate")?)
    }

    /// The address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.port.address
    }

    /// The listener of a slot.
    pub fn get(&self, slot: SlotId) -> BorrowedFd<'_> {
        self.sockets[slot].socket.as_fd()
    }

    /// Whether the listener of a slot listens; another process may have ended it.
    pub fn is_listening(&self, slot: SlotId) -> bool {
        self.sockets[slot].is_listening()
    }

    /// All listeners, in the order of the slots.
    pub fn iter(&self) -> impl Iterator<Item = (SlotId, BorrowedFd<'_>)> {
        self.sockets.iter().map(|(slot, it)| (slot, it.socket.as_fd()))
    }

    /// How many connections may wait at each, unless a worker has changed it.
    pub fn queue_limit(&self) -> u32 {
        queue::allowed(self.port.backlog.unsigned_abs())
    }

    /// How many connections wait for a slot's worker.
    pub fn queue(&self, slot: SlotId) -> Option<Queue> {
        Queue::of(self.get(slot)).ok()
    }
}

impl Listener {
    fn is_listening(&self) -> bool {
        self.socket.is_listener().unwrap_or(false)
    }
}

impl Port {
    /// Binds the first listener, which claims the port.
    fn first(
        address: SocketAddr,
        backlog: u16,
        sharing: Sharing,
    ) -> Result<(Self, Listener), Error> {
        let found = bind(address, Sharing::Exclusive).map_err(|it| Error::bind(address, it))?;
        let port = Self { address: local_address(&found)?, backlog: i32::from(backlog) };
        // A second time, by its number: a socket that the kernel chose a port for loses it when a
        // worker shuts it down.
        let first = port.closed(Sharing::Exclusive)?;
        // From now on the others may join; a second supervisor, which also asks for the port
        // exclusively first, may not, since this one listens.
        let shared = first.socket.set_reuse_port(sharing == Sharing::Slots);
        shared.step("share the port between the slots")?;
        port.listen(&first)?;
        Ok((port, first))
    }

    /// A listener beside the others, with a closed gate.
    fn listener(self) -> Result<Listener, Error> {
        let next = self.closed(Sharing::Slots)?;
        self.listen(&next)?;
        Ok(next)
    }

    /// A socket at the address whose gate is closed, and which does not listen yet.
    fn closed(self, sharing: Sharing) -> Result<Listener, Error> {
        let socket =
            bind(self.address, sharing).map_err(|error| Error::bind(self.address, error))?;
        let gate = SynGate::close_first(&socket).step("keep the SYN gate closed")?;
        Ok(Listener { socket, gate: Some(gate) })
    }

    fn listen(self, listener: &Listener) -> Result<(), Error> {
        let listens = listener.socket.listen(self.backlog);
        listens.map_err(|error| Error::bind(self.address, error))
    }
}

/// The name under which the listener of a slot is kept.
pub(crate) fn name(slot: SlotId) -> String {
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
    const STEP: &str = "ask for the address of the listener";
    let address = socket.local_addr().step(STEP)?.as_socket();
    Ok(address.ok_or(std::io::Error::from(std::io::ErrorKind::Unsupported)).step(STEP)?)
}
