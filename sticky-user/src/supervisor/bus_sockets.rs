//! The bus socket of each slot. Workers use them; the supervisor only keeps them.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Uid};

use super::User;
use crate::bus::mesh;
use crate::steering::Kept;

/// A listening Unix socket for each slot, where workers can reach it.
#[derive(Debug)]
pub(super) struct BusSockets {
    directory: PathBuf,
    sockets: Vec<OwnedFd>,
}

impl BusSockets {
    /// Opens them. They belong to `user` where workers are another one.
    pub(super) fn open(directory: &Path, slots: u32, user: Option<&User>) -> io::Result<Self> {
        let open = |slot| -> io::Result<OwnedFd> {
            let path = mesh::socket(directory, slot);
            let socket = UnixListener::bind(&path)?;
            if let Some(user) = user {
                let (uid, gid) = (Uid::from_raw(user.uid()), Gid::from_raw(user.gid()));
                rustix::fs::chown(&path, Some(uid), Some(gid))?;
            }
            Ok(socket.into())
        };
        let sockets = (0..slots).map(open).collect::<io::Result<_>>()?;
        Ok(Self { directory: directory.to_path_buf(), sockets })
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

fn name(slot: u32) -> String {
    format!("bus-{slot}")
}
