//! The bus socket of each slot. Workers use them; the supervisor only keeps them.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Gid, Uid};
use rustix::net::listen;

use super::User;
use crate::bus::mesh;
use crate::steering::Kept;

/// As many may wait as the kernel allows.
const BACKLOG: i32 = -1;

/// A listening Unix socket for each slot, where workers can reach it.
#[derive(Debug)]
pub(super) struct BusSockets {
    directory: PathBuf,
    sockets: Vec<OwnedFd>,
}

impl BusSockets {
    /// Opens them. They belong to `user` where workers are another one.
    pub(super) fn open(directory: &Path, slots: u32, user: Option<&User>) -> io::Result<Self> {
        let open = |slot| open(directory, slot, user);
        let sockets = (0..slots).map(open).collect::<io::Result<_>>()?;
        Ok(Self { directory: directory.to_path_buf(), sockets })
    }

    /// Sees to it that the next worker of `slot`, which has none, can use its socket: another one where
    /// a worker has shut it down. That one's name and descriptor are returned, to be kept.
    pub(super) fn mend(
        &mut self,
        slot: u32,
        user: Option<&User>,
    ) -> io::Result<Option<(String, &OwnedFd)>> {
        let socket = self.sockets.get_mut(slot as usize).ok_or(io::ErrorKind::NotFound)?;
        if !is_shut(socket)? {
            // A worker may have said that fewer may wait.
            listen(&*socket, BACKLOG)?;
            return Ok(None);
        }
        std::fs::remove_file(mesh::socket(&self.directory, slot))?;
        *socket = open(&self.directory, slot, user)?;
        Ok(Some((name(slot), socket)))
    }

    /// Takes over those that an earlier supervisor left; `None` unless there is one for each slot.
    pub(super) fn resume(directory: &Path, slots: u32, left: &mut Kept) -> Option<Self> {
        let sockets = (0..slots).map(|slot| left.remove(&name(slot))).collect::<Option<_>>()?;
        Some(Self { directory: directory.to_path_buf(), sockets })
    }

    /// Adds duplicates to what is kept for the next supervisor.
    pub(super) fn keep(&self, kept: &mut Kept) -> io::Result<()> {
        for (slot, socket) in (0..).zip(&self.sockets) {
            kept.insert(name(slot), socket.try_clone()?);
        }
        Ok(())
    }

    /// Where they are.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A duplicate for a worker of `slot`.
    pub(super) fn lend(&self, slot: u32) -> io::Result<OwnedFd> {
        self.sockets.get(slot as usize).ok_or(io::ErrorKind::NotFound)?.try_clone()
    }
}

fn open(directory: &Path, slot: u32, user: Option<&User>) -> io::Result<OwnedFd> {
    let path = mesh::socket(directory, slot);
    let socket = UnixListener::bind(&path)?;
    if let Some(user) = user {
        let (uid, gid) = (Uid::from_raw(user.uid()), Gid::from_raw(user.gid()));
        rustix::fs::chown(&path, Some(uid), Some(gid))?;
    }
    Ok(socket.into())
}

/// Whether somebody has shut the listener down, which ends it for good and for all who hold it.
fn is_shut(listener: &OwnedFd) -> io::Result<bool> {
    let mut ends = [PollFd::new(listener, PollFlags::RDHUP)];
    poll(&mut ends, Some(&Timespec::default()))?;
    Ok(ends.iter().any(|it| it.revents().intersects(PollFlags::RDHUP | PollFlags::HUP)))
}

fn name(slot: u32) -> String {
    format!("bus-{slot}")
}
