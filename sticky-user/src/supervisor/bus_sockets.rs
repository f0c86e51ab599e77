//! The bus socket of each slot. Workers use them; the supervisor only keeps them.

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SocketType, listen};

use super::run_dir::RunDir;
use crate::steering::Kept;
use sticky_bus::mesh_sockets;

/// As many may wait as the kernel allows.
const BACKLOG: i32 = -1;

/// A listening Unix socket for each slot, where workers can reach it.
#[derive(Debug)]
pub(super) struct BusSockets(Vec<OwnedFd>);

impl BusSockets {
    /// Opens them.
    pub(super) fn open(run_dir: &RunDir, slots: u32) -> io::Result<Self> {
        (0..slots).map(|slot| open(run_dir, slot)).collect::<io::Result<_>>().map(Self)
    }

    /// Opens those anew that are no longer where workers look for them, and tells of which slots.
    pub(super) fn restore(&mut self, run_dir: &RunDir) -> io::Result<Vec<u32>> {
        let mut restored = Vec::new();
        for (slot, socket) in (0..).zip(&mut self.0) {
            if !run_dir.has_for_workers(&mesh_sockets::name(slot)) {
                *socket = open(run_dir, slot)?;
                restored.push(slot);
            }
        }
        Ok(restored)
    }

    /// Sees to it that the next worker of `slot`, which has none, can use its socket: another one where
    /// a worker has shut it down. That one's name and descriptor are returned, to be kept.
    pub(super) fn mend(
        &mut self,
        slot: u32,
        run_dir: &RunDir,
    ) -> io::Result<Option<(String, &OwnedFd)>> {
        let socket = self.0.get_mut(slot as usize).ok_or(io::ErrorKind::NotFound)?;
        if !is_shut(socket)? {
            // A worker may have said that fewer may wait.
            listen(&*socket, BACKLOG)?;
            return Ok(None);
        }
        run_dir.remove_for_workers(&mesh_sockets::name(slot))?;
        *socket = open(run_dir, slot)?;
        Ok(Some((name(slot), socket)))
    }

    /// Takes over those that an earlier supervisor left; `None` unless there is one for each slot.
    pub(super) fn resume(slots: u32, left: &mut Kept) -> Option<Self> {
        (0..slots).map(|slot| left.remove(&name(slot))).collect::<Option<_>>().map(Self)
    }

    /// Adds duplicates to what is kept for the next supervisor.
    pub(super) fn keep(&self, kept: &mut Kept) -> io::Result<()> {
        for (slot, socket) in (0..).zip(&self.0) {
            kept.insert(name(slot), socket.try_clone()?);
        }
        Ok(())
    }

    /// A duplicate for a worker of `slot`.
    pub(super) fn lend(&self, slot: u32) -> io::Result<OwnedFd> {
        self.0.get(slot as usize).ok_or(io::ErrorKind::NotFound)?.try_clone()
    }
}

fn open(run_dir: &RunDir, slot: u32) -> io::Result<OwnedFd> {
    run_dir.bind_for_workers(&mesh_sockets::name(slot), SocketType::STREAM)
}

/// Whether somebody has shut the listener down, which ends it for good and for all who hold it.
fn is_shut(listener: &OwnedFd) -> io::Result<bool> {
    let mut ends = [PollFd::new(listener, PollFlags::RDHUP)];
    poll(&mut ends, Some(&Timespec::default()))?;
    Ok(ends.iter().any(|it| it.revents().intersects(PollFlags::RDHUP | PollFlags::HUP)))
}

/// Its name among what is kept for the next supervisor.
fn name(slot: u32) -> String {
    format!("bus-{slot}")
}
