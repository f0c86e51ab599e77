//! Brings every connection to the slot that the mapping names.
//!
//! Three modes do it, one file each, behind one interface: `ebpf` and `cbpf` let the kernel
//! choose among the slots' listeners, `fd_passing` accepts itself and passes the connection on.
//! Which of them a host allows is found by trying ([`choose`]), not from its version.

mod cbpf;
mod choice;
mod counters;
mod ebpf;
mod error;
mod fd_passing;
mod kept;
mod mode;
mod outbox;
mod pair;
mod redistribution;
mod repair;

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::pin::Pin;

use sticky_contract::{SlotCount, SlotId, descriptor};
use sticky_ebpf::Mapping;

pub use choice::{Choice, Refusal, choose};
pub use counters::{Counters, SlotCounts};
pub use error::Error;
pub use kept::{Kept, Noted};
pub use mode::{Mode, ModeChoice, ModeError};
pub use repair::Repair;

use crate::listener::{Gone, Listeners, Queue};

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

/// A descriptor for a worker, and its name.
///
/// The first that it is given brings connections: `listener`, to accept on, or `connections`, to
/// receive accepted ones from. From `redistributed` it may receive those of a slot without a worker.
#[derive(Debug)]
pub struct Lent {
    /// Its name.
    pub name: &'static str,
    /// A duplicate for the worker.
    pub descriptor: OwnedFd,
}

/// Resolves when something that takes time is done.
pub type Closing = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

/// One mode at work on one port: what it does for clients, for workers, and for the next supervisor.
pub trait Steering: Steer + Lend + HandOver {}

impl<M: Steer + Lend + HandOver> Steering for M {}

/// For clients: connections get to the slots that the mapping names.
pub trait Steer {
    /// The mode's name.
    fn mode(&self) -> Mode;

    /// The address that clients connect to.
    fn address(&self) -> SocketAddr;

    /// Puts another table of buckets in force, for the same number of slots.
    fn remap(&mut self, mapping: &Mapping) -> Result<(), Error>;

    /// A duplicate of what becomes readable when connections wait at `slot`.
    fn waiting(&self, slot: SlotId) -> io::Result<OwnedFd>;

    /// Passes the connections that wait at `slot` to the slots that serve its clients now. Tells
    /// how many there were.
    fn redistribute(&mut self, slot: SlotId) -> Result<usize, Error>;

    /// How many connections wait for the slot's worker, where the mode can tell.
    fn queue(&self, slot: SlotId) -> Option<Queue>;

    /// How many connections the slot's worker has not taken yet, where the mode can tell.
    fn untaken(&self, slot: SlotId) -> Option<u32> {
        self.queue(slot).map(|queue| queue.waiting)
    }

    /// What was decided so far, where the mode counts.
    fn counters(&self) -> Result<Option<Counters>, Error>;

    /// Lets no further connection in. What waits stays, and is the workers' to serve.
    fn close(&mut self) -> Closing;
}

/// For workers: what they are lent, and its repair.
pub trait Lend {
    /// What a worker of `slot` is to be given. It belongs to the slot: the next worker is given
    /// the same, with all that waits in it.
    fn lend(&self, slot: SlotId) -> io::Result<Vec<Lent>>;

    /// Sees to it that connections get to every slot, whatever workers have done to what they were
    /// lent; and where the last worker of a slot has `gone`, that the next one finds everything as
    /// the first did. `takes_redistributed` tells which slots take connections of other slots.
    fn repair(
        &mut self,
        gone: Option<Gone>,
        takes_redistributed: &dyn Fn(SlotId) -> bool,
    ) -> Repair;

    /// The listeners that workers have, in the order of the slots; none where they have none.
    fn listeners(&self) -> Option<&Listeners>;
}

/// For the next supervisor: what it needs to go on ([`resume`]).
pub trait HandOver {
    /// Duplicates of all descriptors that it needs.
    fn kept(&self) -> io::Result<Kept>;

    /// What goes with them.
    fn noted(&self) -> Noted {
        Noted::default()
    }

    /// Puts down what only this process has, so that another can go on.
    fn pause(&mut self) -> Closing;

    /// Goes on after [`HandOver::pause`].
    fn unpause(&mut self) -> Result<(), Error>;
}

/// Puts the mapping in force in `mode` and opens the port.
///
/// Needs a tokio runtime. When this returns an error, nothing listens.
pub fn install(mode: Mode, plan: &Plan) -> Result<Box<dyn Steering>, Error> {
    Ok(match mode {
        Mode::Ebpf => Box::new(ebpf::Ebpf::install(plan)?),
        Mode::Cbpf => Box::new(cbpf::Cbpf::install(plan)?),
        Mode::FdPassing => Box::new(fd_passing::FdPassing::install(plan)?),
    })
}

/// Goes on where an earlier supervisor was, with what it left: [`Lend::repair`] then repairs what
/// happened while nobody looked.
pub fn resume(
    mode: Mode,
    plan: &Plan,
    left: &mut Kept,
    noted: Noted,
) -> Result<Box<dyn Steering>, Error> {
    Ok(match mode {
        Mode::Ebpf => Box::new(ebpf::Ebpf::resume(plan, left)?),
        Mode::Cbpf => Box::new(cbpf::Cbpf::resume(plan, left, noted)?),
        Mode::FdPassing => Box::new(fd_passing::FdPassing::resume(plan, left)?),
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
    fn listener(listeners: &Listeners, slot: SlotId) -> io::Result<Self> {
        let descriptor = listeners.get(slot).try_clone_to_owned()?;
        Ok(Self { name: descriptor::LISTENER, descriptor })
    }
}
