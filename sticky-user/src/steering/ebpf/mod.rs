//! Mode `ebpf`: the program of `sticky-ebpf` picks the listener in the kernel.

mod log;
mod object;
mod program;

use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use sticky_contract::SlotId;
use sticky_ebpf::Mapping;
use tracing::warn;

use self::log::Log;
use self::program::Program;
use super::kept::listeners_left;
use super::redistribution::Redistribution;
use super::repair::Repair;
use super::{Closing, Counters, Error, HandOver, Kept, Lend, Lent, Mode, Plan, Steer};
use crate::listener::{Fault, Gone, Listeners, Queue};
use crate::step::StepError;

/// The kernel program at work on one port.
pub(super) struct Ebpf {
    listeners: Listeners,
    redistribution: Redistribution,
    program: Program,
    mapping: Mapping,
    _log: Option<Log>,
}

impl Ebpf {
    /// Loads the program, opens the listeners, and lets connections in once every slot has its
    /// place.
    pub(super) fn install(plan: &Plan) -> Result<Self, Error> {
        let (mut listeners, program, log) = attached(plan)?;
        let redistribution = Redistribution::new(&plan.mapping, plan.backlog)?;
        listeners.open_gate()?;
        Ok(Self { listeners, redistribution, program, mapping: plan.mapping.clone(), _log: log })
    }

    /// Goes on with the listeners, the maps and the program that an earlier supervisor left;
    /// [`Lend::repair`] has to follow.
    pub(super) fn resume(plan: &Plan, left: &mut Kept) -> Result<Self, Error> {
        if plan.log {
            warn!("--log-steering: the program of the earlier supervisor goes on as it is");
        }
        let listeners = listeners_left(plan, left)?;
        let redistribution = Redistribution::resume(left, &plan.mapping, plan.backlog)?;
        let program = Program::resume(left)?;
        let mapping = plan.mapping.clone();
        let mut this = Self { listeners, redistribution, program, mapping, _log: None };
        this.program.set_table(&plan.mapping)?;
        Ok(this)
    }
}

impl Ebpf {
    /// Puts every listener into its place in the map (it may have left the map and come back), and
    /// attaches the program, which the kernel forgets where all listeners had been shut down.
    fn put_in_place(&mut self) -> Result<(), Error> {
        let mut result = Ok(());
        for (slot, listener) in self.listeners.iter() {
            let placed = self.program.set_listener(slot, listener);
            result = result.and(placed.and_then(|()| self.program.attach(listener)));
        }
        Ok(result?)
    }
}

/// The program in force on listeners whose SYN gate is still closed.
fn attached(plan: &Plan) -> Result<(Listeners, Program, Option<Log>), Error> {
    let (mut program, log) = Program::load(&plan.mapping, plan.log)?;
    let listeners = Listeners::open(plan.listen, plan.mapping.slots(), plan.backlog)?;
    for (slot, listener) in listeners.iter() {
        program.set_listener(slot, listener)?;
    }
    program.attach(listeners.get(SlotId::FIRST))?;
    Ok((listeners, program, log))
}

/// Loads the program and attaches it to a listener on the loopback address.
pub(super) fn probe() -> Result<(), Error> {
    attached(&Plan::for_probe()).map(drop)
}

impl Steer for Ebpf {
    fn mode(&self) -> Mode {
        Mode::Ebpf
    }

    fn address(&self) -> SocketAddr {
        self.listeners.address()
    }

    fn remap(&mut self, mapping: &Mapping) -> Result<(), Error> {
        self.mapping = mapping.clone();
        Ok(self.program.set_table(mapping)?)
    }

    fn waiting(&self, slot: SlotId) -> io::Result<OwnedFd> {
        Lent::listener(&self.listeners, slot).map(|lent| lent.descriptor)
    }

    fn redistribute(&mut self, slot: SlotId) -> Result<usize, Error> {
        self.redistribution.of(&self.listeners, slot, &self.mapping)
    }

    fn queue(&self, slot: SlotId) -> Option<Queue> {
        self.listeners.queue(slot)
    }

    fn counters(&self) -> Result<Option<Counters>, Error> {
        self.program.counters(self.mapping.slots()).map(Some)
    }

    /// With no listener in the map the program drops, so that clients are refused at once and can
    /// go elsewhere.
    fn close(&mut self) -> Closing {
        let slots = self.mapping.slots().iter();
        let cleared: Vec<_> = slots.map(|slot| self.program.clear_listener(slot)).collect();
        let cleared: Result<(), StepError> = cleared.into_iter().collect();
        Box::pin(ready(cleared.map_err(Error::from)))
    }
}

impl Lend for Ebpf {
    fn lend(&self, slot: SlotId) -> io::Result<Vec<Lent>> {
        Ok(vec![Lent::listener(&self.listeners, slot)?, self.redistribution.lend(slot)?])
    }

    fn repair(
        &mut self,
        gone: Option<Gone>,
        _takes_redistributed: &dyn Fn(SlotId) -> bool,
    ) -> Repair {
        let mut repair = Repair::of(self.listeners.faults(gone), gone);
        for (slot, fault) in repair.faults.clone() {
            let again = if Repair::is_vacant(gone, slot) {
                repair.renew(&mut self.listeners, slot)
            } else if fault == Fault::Ended {
                self.listeners.listen_again(slot).map_err(Error::from)
            } else {
                Ok(())
            };
            if let Err(error) = again {
                repair.failed(error);
            }
        }
        if let Err(error) = self.put_in_place() {
            repair.failed(error);
        }
        if let Err(error) = self.listeners.open_gate() {
            repair.failed(error);
        }
        self.redistribution.renew(gone, &mut repair);
        repair
    }

    fn listeners(&self) -> Option<&Listeners> {
        Some(&self.listeners)
    }
}

impl HandOver for Ebpf {
    fn kept(&self) -> io::Result<Kept> {
        let mut kept: Kept = self.listeners.kept()?.into_iter().collect();
        self.redistribution.keep(&mut kept)?;
        self.program.keep(&mut kept)?;
        Ok(kept)
    }

    fn pause(&mut self) -> Closing {
        self.redistribution.flushed()
    }

    fn unpause(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
