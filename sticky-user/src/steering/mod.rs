//! Brings every connection to the slot that the mapping names.
//!
//! Three modes do it, one file each, behind one interface: [`ebpf`] and [`cbpf`] let the kernel
//! choose among the slots' listeners, [`fd_passing`] accepts itself and passes the connection on.
//! Which of them a host allows is found by trying ([`choose`]), not from its version.

pub mod cbpf;
mod choice;
mod counters;
pub mod ebpf;
mod error;
pub mod fd_passing;
mod mode;

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::pin::Pin;

use sticky_ebpf::{Mapping, SlotCount};

pub use choice::{Choice, Refusal, choose};
pub use counters::{Counters, SlotCounts};
pub use error::Error;
pub use mode::{Mode, ModeChoice, ModeError};

use crate::listener::{Listeners, Queue};

/// What is to be served, whatever the mode.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The address that clients connect to.
    pub listen: SocketAddr,
    /// Which slot serves which client.
    pub mapping: Mapping,
    /// The length of each slot's queue, in connections.
    pub backlog: u16,
    /// Log each decision.
    pub log: bool,
}

impl Plan {
    /// The least there is: one slot on a free port of the loopback address.
    fn for_probe() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { listen, mapping: Mapping::new(SlotCount::default()), backlog: 1, log: false }
    }
}

/// What a worker of a slot is given: one descriptor, and its name in `LISTEN_FDNAMES`.
#[derive(Debug)]
pub struct Lent {
    /// `listener`: accept on it; `connections`: receive accepted connections from it.
    pub name: &'static str,
    /// A duplicate for the worker.
    pub descriptor: OwnedFd,
}

/// The result of [`Steering::close`].
pub type Closing<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;

/// One mode at work on one port.
pub trait Steering {
    /// The mode's name.
    fn mode(&self) -> Mode;

    /// The address that clients connect to.
    fn address(&self) -> SocketAddr;

    /// What a worker of `slot` is to be given. It belongs to the slot: the next worker is given
    /// the same, with all that waits in it.
    fn lend(&self, slot: u32) -> io::Result<Lent>;

    /// A worker of `slot` has gone: repairs what it may have done to what it was lent, and tells
    /// whether that was necessary.
    fn worker_gone(&mut self, slot: u32) -> Result<bool, Error>;

    /// How many connections wait for the slot's worker, where the mode can tell.
    fn queue(&self, slot: u32) -> Option<Queue>;

    /// What was decided so far, where the mode counts.
    fn counters(&self) -> Result<Option<Counters>, Error>;

    /// Lets no further connection in. What waits stays, and is the workers' to serve.
    fn close(&mut self) -> Closing<'_>;
}

/// Puts the mapping in force in `mode` and opens the port.
///
/// When this returns an error, nothing listens.
pub fn install(mode: Mode, plan: &Plan) -> Result<Box<dyn Steering>, Error> {
    Ok(match mode {
        Mode::Ebpf => Box::new(ebpf::Ebpf::install(plan)?),
        Mode::Cbpf => Box::new(cbpf::Cbpf::install(plan)?),
        Mode::FdPassing => Box::new(fd_passing::FdPassing::install(plan)?),
    })
}

/// Tries whether this host allows `mode`, without touching the port that is to be served.
pub fn probe(mode: Mode) -> Result<(), Error> {
    match mode {
        Mode::Ebpf => ebpf::probe(),
        Mode::Cbpf => cbpf::probe(),
        Mode::FdPassing => fd_passing::probe(),
    }
}

impl Lent {
    fn listener(listeners: &Listeners, slot: u32) -> io::Result<Self> {
        let listener = listeners.get(slot).ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { name: "listener", descriptor: listener.try_clone_to_owned()? })
    }
}
