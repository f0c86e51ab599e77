//! Mode `cbpf`: a classic BPF program computes the same mapping; any user may attach it.
//!
//! What classic BPF cannot do: it has no maps, so it counts nothing and another mapping is another
//! program; it names a listener by its place in the group, so a listener must never close; and it
//! cannot drop, so where it finds no slot the kernel chooses by a hash of its own (which only
//! packets other than IPv4 and IPv6 could bring about, and there are none on a TCP port).

mod assembler;
#[cfg(test)]
mod interpreter;
mod rule;

use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};

use nix::libc::{sock_filter, sock_fprog};
use nix::sys::socket::{setsockopt, sockopt::AttachReusePortCbpf};
use sticky_ebpf::Mapping;
use tracing::warn;

use self::assembler::Instruction;
pub use self::assembler::TooManyInstructions;
use super::adoption::Adoption;
use super::kept::listeners_left;
use super::{Closing, Counters, Error, Kept, Lent, Mode, Noted, Plan, Steering};
use crate::listener::{Listeners, Queue};

/// The classic program at work on one port.
#[derive(Debug)]
pub struct Cbpf {
    listeners: Listeners,
    adoption: Adoption,
    mapping: Mapping,
    /// The slot at each place of the kernel's group: the order in which the listeners listen.
    places: Vec<u32>,
}

impl Cbpf {
    /// Opens the listeners, attaches the program, and lets connections in.
    pub fn install(plan: &Plan) -> Result<Self, Error> {
        if plan.log {
            warn!("--log-steering: in mode cbpf the kernel program cannot tell its decisions");
        }
        let slots = plan.mapping.slots();
        let listeners = Listeners::open(plan.listen, slots.get(), plan.backlog)?;
        let adoption = Adoption::new(&plan.mapping, plan.backlog)?;
        let places = slots.iter().collect();
        let this = Self { listeners, adoption, mapping: plan.mapping.clone(), places };
        this.attach(0)?;
        this.listeners.open_door()?;
        Ok(this)
    }

    /// Goes on with what an earlier supervisor left.
    pub fn resume(plan: &Plan, left: &mut Kept, noted: Noted) -> Result<Self, Error> {
        let listeners = listeners_left(plan, left)?;
        let adoption = Adoption::resume(left, &plan.mapping, plan.backlog)?;
        let places = noted.places;
        let mut this = Self { listeners, adoption, mapping: plan.mapping.clone(), places };
        for slot in plan.mapping.slots().iter() {
            this.repair(slot)?;
        }
        this.attach(0)?;
        Ok(this)
    }

    /// Attaches the program to the group that the listener of `slot` belongs to.
    fn attach(&self, slot: u32) -> Result<(), Error> {
        put_in_force(&self.listeners, slot, &self.mapping, &self.places)
    }
}

fn put_in_force(
    listeners: &Listeners,
    slot: u32,
    mapping: &Mapping,
    places: &[u32],
) -> Result<(), Error> {
    let program = rule::assemble(mapping, places)?;
    let step = "attach the classic BPF program to the port";
    let listener = listeners.get(slot);
    listener.map_or(Ok(()), |socket| attach(socket, &program)).map_err(Error::system(step))
}

fn attach(socket: BorrowedFd<'_>, program: &[Instruction]) -> Result<(), nix::Error> {
    let mut filter: Vec<sock_filter> =
        program.iter().copied().map(Instruction::to_kernel).collect();
    let length = u16::try_from(filter.len()).map_err(|_| nix::Error::EINVAL)?;
    let program = sock_fprog { len: length, filter: filter.as_mut_ptr() };
    setsockopt(&socket, AttachReusePortCbpf, &program)
}

/// Attaches a program to a listener on the loopback address.
pub fn probe() -> Result<(), Error> {
    let plan = Plan::for_probe();
    let listeners = Listeners::open(plan.listen, 1, plan.backlog)?;
    put_in_force(&listeners, 0, &plan.mapping, &[0])
}

impl Steering for Cbpf {
    fn mode(&self) -> Mode {
        Mode::Cbpf
    }

    fn address(&self) -> SocketAddr {
        self.listeners.address()
    }

    fn lend(&self, slot: u32) -> io::Result<Vec<Lent>> {
        Ok(vec![Lent::listener(&self.listeners, slot)?, self.adoption.lend(slot)?])
    }

    fn repair(&mut self, slot: u32) -> Result<bool, Error> {
        let revived = self.listeners.revive(slot)?;
        if revived {
            // A listener that is shut down leaves the group and the last one takes its place; when
            // it listens again it comes last.
            if let Some(place) = self.places.iter().position(|&at| at == slot) {
                self.places.swap_remove(place);
                self.places.push(slot);
            }
            self.attach(slot)?;
        }
        Ok(revived)
    }

    fn remap(&mut self, mapping: &Mapping) -> Result<(), Error> {
        let before = std::mem::replace(&mut self.mapping, mapping.clone());
        self.attach(0).inspect_err(|_| self.mapping = before)
    }

    fn waiting(&self, slot: u32) -> io::Result<OwnedFd> {
        Lent::listener(&self.listeners, slot).map(|lent| lent.descriptor)
    }

    fn adopt(&mut self, slot: u32) -> Result<usize, Error> {
        self.adoption.of(&self.listeners, slot, &self.mapping)
    }

    fn queue(&self, slot: u32) -> Option<Queue> {
        self.listeners.queue(slot)
    }

    fn counters(&self) -> Result<Option<Counters>, Error> {
        Ok(None)
    }

    fn listeners(&self) -> Option<&Listeners> {
        Some(&self.listeners)
    }

    fn kept(&self) -> io::Result<Kept> {
        let mut kept: Kept = self.listeners.kept()?.into_iter().collect();
        self.adoption.keep(&mut kept)?;
        Ok(kept)
    }

    fn noted(&self) -> Noted {
        Noted { places: self.places.clone() }
    }

    fn pause(&mut self) -> Closing {
        self.adoption.flushed()
    }

    fn unpause(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn close(&mut self) -> Closing {
        Box::pin(ready(self.listeners.close_door().map_err(Error::from)))
    }
}
