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
use std::os::fd::BorrowedFd;

use nix::libc::{sock_filter, sock_fprog};
use nix::sys::socket::{setsockopt, sockopt::AttachReusePortCbpf};
use sticky_ebpf::Mapping;
use tracing::warn;

use self::assembler::Instruction;
pub use self::assembler::TooManyInstructions;
use super::{Closing, Counters, Error, Lent, Mode, Plan, Steering};
use crate::listener::{Listeners, Queue};

/// The classic program at work on one port.
#[derive(Debug)]
pub struct Cbpf {
    listeners: Listeners,
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
        let places = slots.iter().collect();
        let this = Self { listeners, mapping: plan.mapping.clone(), places };
        this.attach(0)?;
        this.listeners.open_door()?;
        Ok(this)
    }

    /// Attaches the program to the group that the listener of `slot` belongs to.
    fn attach(&self, slot: u32) -> Result<(), Error> {
        let program = rule::assemble(&self.mapping, &self.places)?;
        let step = "attach the classic BPF program to the port";
        let listener = self.listeners.get(slot);
        listener.map_or(Ok(()), |socket| attach(socket, &program)).map_err(Error::system(step))
    }
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
    Cbpf::install(&Plan::for_probe()).map(drop)
}

impl Steering for Cbpf {
    fn mode(&self) -> Mode {
        Mode::Cbpf
    }

    fn address(&self) -> SocketAddr {
        self.listeners.address()
    }

    fn lend(&self, slot: u32) -> io::Result<Lent> {
        Lent::listener(&self.listeners, slot)
    }

    fn worker_gone(&mut self, slot: u32) -> Result<bool, Error> {
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

    fn queue(&self, slot: u32) -> Option<Queue> {
        self.listeners.queue(slot)
    }

    fn counters(&self) -> Result<Option<Counters>, Error> {
        Ok(None)
    }

    fn close(&mut self) -> Closing<'_> {
        Box::pin(ready(self.listeners.close_door().map_err(Error::from)))
    }
}
