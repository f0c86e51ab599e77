//! The bus socket of each slot. Workers use them; the supervisor only keeps them.

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SocketType, listen};
use sticky_contract::{PerSlot, SlotCount, SlotId};

use super::run_dir::RunDir;
use crate::steering::Kept;
use sticky_bus::mesh_sockets;

/// As many may wait as the kernel allows.
const BACKLOG: i32 = -1;

/// A listening Unix socket for each slot, where workers can reach it.
#[derive(Debug)]
pub(super) struct BusSockets(PerSlot<OwnedFd>);

impl BusSockets {
    /// Opens them.
    pub(super) fn open(run_dir: &RunDir, slots: SlotCount) -> io::Result<Self> {
        PerSlot::try_new(slots, |slot| open(run_dir, slot)).map(Self)
    }

    /// Opens the sockets anew that are no longer where workers look for them; tells of which slots.
    pub(super) fn restore(&mut self, run_dir: &RunDir) -> io::Result<Vec<SlotId>> {
        let mut restored = Vec::new();
        for (slot, socket) in self.0.iter_mut() {
            if !run_dir.has_for_workers(&mesh_sockets::name(slot)) {
                *socket = open(run_dir, slot)?;
                restored.push(slot);
            }
        }
        Ok(restored)
    }

    /// Sees to it that the next worker of `slot`, which has none, can use its socket: another one where
    /// a worker has shut it down. The name and the descriptor of the other one are returned, to be kept.
    pub(super) fn repair(
        &mut self,
        slot: SlotId,
        run_dir: &RunDir,
    ) -> io::Result<Option<(String, &OwnedFd)>> {
        let socket = &mut self.0[slot];
        if !was_shut_down(socket)? {
            // A worker may have said that fewer may wait.
            listen(&*socket, BACKLOG)?;
            return Ok(None);
        }
        run_dir.remove_for_workers(&mesh_sockets::name(slot))?;
        *socket = open(run_dir, slot)?;
        Ok(Some((name(slot), socket)))
    }

    /// Takes over the sockets that an earlier supervisor left; `None` unless there is one for each slot.
    pub(super) fn resume(slots: SlotCount, left: &mut Kept) -> Option<Self> {
        PerSlot::try_new(slots, |slot| left.remove(&name(slot)).ok_or(())).map(Self).ok()
    }

    /// Adds duplicates to what is kept for the next supervisor.
    pub(super) fn keep(&self, kept: &mut Kept) -> io::Result<()> {
        for (slot, socket) in self.0.iter() {
            kept.insert(name(slot), socket.try_clone()?);
        }
        Ok(())
    }

    /// A duplicate for a worker of `slot`.
    pub(super) fn lend(&self, slot: SlotId) -> io::Result<OwnedFd> {
        self.0[slot].try_clone()
    }
}

fn open(run_dir: &RunDir, slot: SlotId) -> io::Result<OwnedFd> {
    run_dir.bind_for_workers(&mesh_sockets::name(slot), SocketType::STREAM)
}

/// Whether somebody has shut the listener down, which ends it for good and for all who hold it.
fn was_shut_down(listener: &OwnedFd) -> io::Result<bool> {
    let mut ends = [PollFd::new(listener, PollFlags::RDHUP)];
    poll(&mut ends, Some(&Timespec::default()))?;
    Ok(ends.iter().any(|it| it.revents().intersects(PollFlags::RDHUP | PollFlags::HUP)))
}

/// Its name among what is kept for the next supervisor.
fn name(slot: SlotId) -> String {
    format!("bus-{slot}")
}
