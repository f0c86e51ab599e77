//! What workers do to the listeners that they are lent, and how it is undone.
//!
//! A listener is shared: every process that holds it can end it, and what a process sets on it stays when
//! the process has gone. Where no worker holds it any more, a new listener takes its place; where a worker
//! holds it, it is repaired.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{OFlags, fcntl_setfl, fstat};
use rustix::net::connect_unspec;
use rustix::process::geteuid;
use socket2::{Domain, Socket, Type};
use sticky_contract::SlotId;

use super::diag::{self, Listening};
use super::{Error, Listener, Listeners};
use crate::step::{Step as _, StepError};
use sticky_sys::socket_option::SocketOption;

/// A worker that shuts its listener down again while it is being repaired: after so many attempts it is given up.
const ATTEMPTS: u32 = 8;

/// What is wrong with the listener of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It was shut down, which ends it for every process that holds it.
    Ended,
    /// Something hangs on it that cannot be taken off, such as a key of a signature.
    Spoilt,
}

/// A worker that has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Its slot.
    pub slot: SlotId,
    /// Whether the slot has no other one.
    pub vacant: bool,
}

/// The order in which the listeners began to listen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// The slots whose listeners listen, in the order in which they began to.
    pub slots: Vec<SlotId>,
    /// How many others are on the same address.
    pub others: usize,
}

impl Listeners {
    /// What is wrong, slot by slot. What can be set right without ending a listener is so: at every
    /// slot that clients get to it, and all else where the last worker has gone.
    pub fn faults(&self, gone: Option<Gone>) -> Vec<(SlotId, Fault)> {
        let found = self.survey().unwrap_or_default();
        let new = self.unbound();
        let judge = |(slot, listener): (SlotId, &Listener)| {
            let state = known(&found, listener);
            let gone = gone.filter(|gone| gone.slot == slot);
            let all = gone.is_some_and(|gone| gone.vacant);
            if let Ok(new) = &new {
                self.reset(listener, new, all);
            }
            if !listener.is_listening() || state.is_some_and(|state| state.shut) {
                return Some((slot, Fault::Ended));
            }
            let clean = || {
                let cleaned = self.take_off(listener, state);
                let differ = |new: &Socket| !differences(listener, new, all).is_empty();
                cleaned && !new.as_ref().is_ok_and(differ)
            };
            (gone.is_some() && !clean()).then_some((slot, Fault::Spoilt))
        };
        self.sockets.iter().filter_map(judge).collect()
    }

    /// The order of listening; `None` where the kernel does not tell.
    pub fn order(&self) -> Option<Order> {
        let found = self.survey().ok()?;
        let ours = self.inodes();
        let slot = |it: &Listening| {
            let of_slot = ours.iter().find(|(_, inode)| **inode == it.inode);
            of_slot.map(|(slot, _)| slot)
        };
        let slots: Vec<SlotId> = found.iter().filter_map(slot).collect();
        let listening = self.sockets.values().filter(|it| it.is_listening());
        let user = geteuid().as_raw();
        let beside = |it: &&Listening| {
            let same = it.address == self.port.address && it.interface == 0 && it.uid == user;
            same && slot(it).is_none()
        };
        let others = found.iter().filter(beside).count();
        // A list that changed while it was told is told again, another time.
        (slots.len() == listening.count()).then_some(Order { slots, others })
    }

    /// Makes the socket of a slot listen again, as the last of all. Clients that wait in its queue are cut
    /// off.
    pub fn listen_again(&mut self, slot: SlotId) -> Result<(), Error> {
        const STEP: &str = "listen again on a slot whose listener was shut down";
        let listener = &self.sockets[slot];
        for _ in 0..ATTEMPTS {
            // Of a socket that is shut down twice, `listen` alone leaves it so.
            connect_unspec(listener.socket.as_fd()).step(STEP)?;
            listener.socket.listen(self.port.backlog).step(STEP)?;
            let found = self.survey().unwrap_or_default();
            let listens = listener.socket.is_listener().step(STEP)?;
            if listens && !known(&found, listener).is_some_and(|known| known.shut) {
                return Ok(());
            }
        }
        Err(StepError::new(STEP, io::Error::from(io::ErrorKind::Interrupted)).into())
    }

    /// Gives a slot another socket, which listens as the last of all, with a closed gate.
    pub fn renew(&mut self, slot: SlotId) -> Result<(), Error> {
        self.quit(slot);
        self.sockets[slot] = self.port.listener()?;
        Ok(())
    }

    /// Ends the listener of a slot for every process that holds it.
    pub fn quit(&self, slot: SlotId) {
        // It has the state that is wanted, or none that could be changed.
        let _ = connect_unspec(self.get(slot));
    }

    fn survey(&self) -> io::Result<Vec<Listening>> {
        diag::on_port(self.port.address.port())
    }

    /// A socket as all were in the beginning.
    fn unbound(&self) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(self.port.address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        Ok(socket)
    }

    /// Sets what differs from a new socket, as far as the kernel lets it be set.
    fn reset(&self, listener: &Listener, new: &Socket, all: bool) {
        for (option, value) in differences(listener, new, all) {
            // What remains different is found again by the next look.
            let _ = option.reset(listener.socket.as_fd(), &value);
        }
        if all {
            // Flags of the open file, and how many may wait: set by `listen`, also where it listens.
            let _ = fcntl_setfl(&listener.socket, OFlags::empty());
            if listener.is_listening() {
                let _ = listener.socket.listen(self.port.backlog);
            }
        }
    }

    /// Takes off what hangs on a listener; tells whether it is off.
    fn take_off(&self, listener: &Listener, state: Option<Listening>) -> bool {
        let hangs = |state: Option<Listening>| state.is_some_and(|state| state.attached > 0);
        if !hangs(state) || listener.gate.is_some() {
            return true;
        }
        // There may be none.
        let _ = listener.socket.detach_filter();
        let found = self.survey().unwrap_or_default();
        !hangs(known(&found, listener))
    }
}

/// What the kernel tells of a listener.
fn known(found: &[Listening], listener: &Listener) -> Option<Listening> {
    let inode = fstat(&listener.socket).ok()?.st_ino;
    found.iter().find(|it| it.inode == inode).copied()
}

/// Options that differ from those of a new socket, with the value that it has.
fn differences(listener: &Listener, new: &Socket, all: bool) -> Vec<(SocketOption, Vec<u8>)> {
    let others = SocketOption::INHERITED.iter().filter(|_| all);
    let options = SocketOption::OF_ACCESS.iter().chain(others);
    let differs = |&option: &SocketOption| {
        // Where the kernel does not know it, nobody has set it.
        let wanted = option.get(new.as_fd()).ok()?;
        let there = option.get(listener.socket.as_fd()).ok()?;
        (there != wanted).then_some((option, wanted))
    };
    options.filter_map(differs).collect()
}
