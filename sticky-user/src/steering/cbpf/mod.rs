//! Mode `cbpf`: a classic BPF program computes the same mapping; any user may attach it.
//!
//! What classic BPF cannot do: it has no maps, so it counts nothing and another mapping is another
//! program; it names a listener by its place in the group, so a listener must never close; and it
//! cannot drop, so where it finds no slot the kernel chooses by a hash of its own (which only
//! packets other than IPv4 and IPv6 could bring about, and there are none on a TCP port).

mod assembler;
mod group;
#[cfg(test)]
mod interpreter;
mod rule;

use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};

use nix::libc::{sock_filter, sock_fprog};
use nix::sys::socket::{setsockopt, sockopt::AttachReusePortCbpf};
use sticky_contract::{SlotCount, SlotId};
use sticky_ebpf::Mapping;
use tracing::warn;

use self::assembler::Instruction;
pub(super) use self::assembler::TooManyInstructions;
use self::group::Group;
use super::kept::listeners_left;
use super::redistribution::Redistribution;
use super::repair::Repair;
use super::{Closing, Counters, Error, HandOver, Kept, Lend, Lent, Mode, Noted, Plan, Steer};
use crate::listener::{Gone, Listeners, Queue};
use crate::step::Step as _;

/// The classic program at work on one port.
#[derive(Debug)]
pub(super) struct Cbpf {
    listeners: Listeners,
    redistribution: Redistribution,
    mapping: Mapping,
    group: Group,
}

impl Cbpf {
    /// Opens the listeners, attaches the program, and lets connections in.
    pub(super) fn install(plan: &Plan) -> Result<Self, Error> {
        if plan.log {
            warn!("--log-steering: in mode cbpf the kernel program cannot tell its decisions");
        }
        let slots = plan.mapping.slots();
        let listeners = Listeners::open(plan.listen, slots, plan.backlog)?;
        let redistribution = Redistribution::new(&plan.mapping, plan.backlog)?;
        let group = Group::new(slots.iter(), 0).told(listeners.order().as_ref());
        let mut this = Self { listeners, redistribution, mapping: plan.mapping.clone(), group };
        this.attach()?;
        this.listeners.open_gate()?;
        Ok(this)
    }

    /// Goes on with what an earlier supervisor left; [`Lend::repair`] has to follow.
    pub(super) fn resume(plan: &Plan, left: &mut Kept, noted: Noted) -> Result<Self, Error> {
        let listeners = listeners_left(plan, left)?;
        let redistribution = Redistribution::resume(left, &plan.mapping, plan.backlog)?;
        let group = Group::resume(noted.places, noted.listened);
        Ok(Self { listeners, redistribution, mapping: plan.mapping.clone(), group })
    }

    /// Attaches the program to the group, over any listener that is in it.
    fn attach(&self) -> Result<(), Error> {
        let member = self.group.places().iter().copied().flatten().next().unwrap_or_default();
        put_in_force(&self.listeners, member, &self.mapping, self.group.places())
    }

    /// Makes a listener listen again, or another one in its place.
    fn begin(&mut self, slot: SlotId, gone: Option<Gone>, repair: &mut Repair) {
        let begun = if Repair::is_vacant(gone, slot) {
            repair.renew(&mut self.listeners, slot)
        } else {
            self.listeners.listen_again(slot).map_err(Error::from)
        };
        match begun {
            Ok(()) => self.group.join(slot),
            Err(error) => repair.failed(error),
        }
    }

    /// Brings the listeners back that `left` their places, behind the others.
    fn bring_back(&mut self, left: &[SlotId], gone: Option<Gone>, repair: &mut Repair) {
        for &slot in left {
            self.group.leave(slot);
            if repair.has_fault(slot) {
                self.begin(slot, gone, repair);
            } else {
                self.group.join(slot);
            }
        }
    }

    /// All leave their places, and take new ones in the order of the slots. What waits is passed to
    /// the workers where they can take it.
    fn rebuild(
        &mut self,
        gone: Option<Gone>,
        takes_redistributed: &dyn Fn(SlotId) -> bool,
        repair: &mut Repair,
    ) {
        let slots = self.mapping.slots().iter();
        let faultless = slots.filter(|&slot| !repair.has_fault(slot)).collect::<Vec<_>>();
        for slot in faultless.into_iter().filter(|&slot| takes_redistributed(slot)) {
            if let Err(error) = self.redistribution.of(&self.listeners, slot, &self.mapping) {
                repair.failed(error);
            }
        }
        self.mapping.slots().iter().for_each(|slot| self.listeners.quit(slot));
        let foreign = self.listeners.order().map_or(0, |order| order.others);
        self.group = Group::new(std::iter::empty(), foreign);
        for slot in self.mapping.slots().iter() {
            self.begin(slot, gone, repair);
        }
        repair.rebuilt = true;
        self.group = std::mem::take(&mut self.group).told(self.listeners.order().as_ref());
    }
}

fn put_in_force(
    listeners: &Listeners,
    slot: SlotId,
    mapping: &Mapping,
    places: &[Option<SlotId>],
) -> Result<(), Error> {
    let program = rule::assemble(mapping, places)?;
    let step = "attach the classic BPF program to the port";
    Ok(attach(listeners.get(slot), &program).step(step)?)
}

fn attach(socket: BorrowedFd<'_>, program: &[Instruction]) -> Result<(), nix::Error> {
    let mut filter: Vec<sock_filter> =
        program.iter().copied().map(Instruction::to_kernel).collect();
    let length = u16::try_from(filter.len()).map_err(|_| nix::Error::EINVAL)?;
    let program = sock_fprog { len: length, filter: filter.as_mut_ptr() };
    setsockopt(&socket, AttachReusePortCbpf, &program)
}

/// Attaches a program to a listener on the loopback address.
pub(super) fn probe() -> Result<(), Error> {
    let plan = Plan::for_probe();
    let listeners = Listeners::open(plan.listen, SlotCount::default(), plan.backlog)?;
    put_in_force(&listeners, SlotId::FIRST, &plan.mapping, &[Some(SlotId::FIRST)])
}

impl Steer for Cbpf {
    fn mode(&self) -> Mode {
        Mode::Cbpf
    }

    fn address(&self) -> SocketAddr {
        self.listeners.address()
    }

    fn remap(&mut self, mapping: &Mapping) -> Result<(), Error> {
        let before = std::mem::replace(&mut self.mapping, mapping.clone());
        self.attach().inspect_err(|_| self.mapping = before)
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
        Ok(None)
    }

    fn close(&mut self) -> Closing {
        Box::pin(ready(self.listeners.close_gate().map_err(Error::from)))
    }
}

impl Lend for Cbpf {
    fn lend(&self, slot: SlotId) -> io::Result<Vec<Lent>> {
        Ok(vec![Lent::listener(&self.listeners, slot)?, self.redistribution.lend(slot)?])
    }

    /// Behind a closed SYN gate, since listeners change their places.
    fn repair(
        &mut self,
        gone: Option<Gone>,
        takes_redistributed: &dyn Fn(SlotId) -> bool,
    ) -> Repair {
        let mut repair = Repair::of(self.listeners.faults(gone), gone);
        let left = self.group.left(&repair.ended(), self.listeners.order().as_ref());
        if left.as_ref().is_none_or(|left| !left.is_empty()) {
            if let Err(error) = self.listeners.close_gate() {
                repair.failed(error);
            }
            match left {
                Some(left) => self.bring_back(&left, gone, &mut repair),
                None => self.rebuild(gone, takes_redistributed, &mut repair),
            }
            repair.moved = true;
        }
        if let Err(error) = self.attach() {
            repair.failed(error);
        }
        // Its gate is closed also where a listener was replaced that had left its place already.
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

impl HandOver for Cbpf {
    fn kept(&self) -> io::Result<Kept> {
        let mut kept: Kept = self.listeners.kept()?.into_iter().collect();
        self.redistribution.keep(&mut kept)?;
        Ok(kept)
    }

    fn noted(&self) -> Noted {
        Noted { places: self.group.places().into(), listened: self.group.listened().into() }
    }

    fn pause(&mut self) -> Closing {
        self.redistribution.flushed()
    }

    fn unpause(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
