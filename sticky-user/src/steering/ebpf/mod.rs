//! Mode `ebpf`: the program of `sticky-ebpf` picks the listener in the kernel.

mod log;
mod object;
mod program;

use std::future::ready;
use std::io;
use std::net::SocketAddr;

use self::log::Log;
use self::program::Program;
use super::{Closing, Counters, Error, Lent, Mode, Plan, Steering};
use crate::listener::{Listeners, Queue};

/// The kernel program at work on one port.
pub struct Ebpf {
    listeners: Listeners,
    program: Program,
    _log: Option<Log>,
}

impl Ebpf {
    /// Loads the program, opens the listeners, and lets connections in once every slot has its
    /// place.
    pub fn install(plan: &Plan) -> Result<Self, Error> {
        let mut program = Program::load(&plan.mapping, plan.log)?;
        let log = if plan.log { Some(program.log()?) } else { None };
        let listeners = Listeners::open(plan.listen, plan.mapping.slots().get(), plan.backlog)?;
        for (slot, listener) in (0..).zip(listeners.iter()) {
            program.set_listener(slot, listener)?;
        }
        if let Some(first) = listeners.get(0) {
            program.attach(first)?;
        }
        listeners.open_door()?;
        Ok(Self { listeners, program, _log: log })
    }
}

/// Loads the program and attaches it to a listener on the loopback address.
pub fn probe() -> Result<(), Error> {
    Ebpf::install(&Plan::for_probe()).map(drop)
}

impl Steering for Ebpf {
    fn mode(&self) -> Mode {
        Mode::Ebpf
    }

    fn address(&self) -> SocketAddr {
        self.listeners.address()
    }

    fn lend(&self, slot: u32) -> io::Result<Lent> {
        Lent::listener(&self.listeners, slot)
    }

    fn worker_gone(&mut self, slot: u32) -> Result<bool, Error> {
        let revived = self.listeners.revive(slot)?;
        if let Some(listener) = self.listeners.get(slot).filter(|_| revived) {
            self.program.set_listener(slot, listener)?;
            // Where all had shut down, the kernel has forgotten the program too.
            self.program.attach(listener)?;
        }
        Ok(revived)
    }

    fn queue(&self, slot: u32) -> Option<Queue> {
        self.listeners.queue(slot)
    }

    fn counters(&self) -> Result<Option<Counters>, Error> {
        self.program.counters().map(Some)
    }

    /// With no listener in the map the program drops, so that clients are refused at once and can
    /// go elsewhere.
    fn close(&mut self) -> Closing<'_> {
        let cleared: Vec<_> =
            (0..self.program.slots()).map(|slot| self.program.clear_listener(slot)).collect();
        Box::pin(ready(cleared.into_iter().collect()))
    }
}
