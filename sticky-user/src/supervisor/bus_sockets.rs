//! The bus socket of each slot. Workers use them; the supervisor only keeps them.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::bus::mesh;

/// A listening Unix socket for each slot, in the supervisor's private directory.
#[derive(Debug)]
pub(super) struct BusSockets {
    directory: PathBuf,
    sockets: Vec<UnixListener>,
}

impl BusSockets {
    /// Opens them, in place of what a supervisor that was killed may have left.
    pub(super) fn open(directory: &Path, slots: u32) -> io::Result<Self> {
        // Its number of slots may have been another.
        for stale in fs::read_dir(directory)? {
            let stale = stale?;
            if mesh::is_socket(&stale.file_name()) {
                fs::remove_file(stale.path())?;
            }
        }
        let mut this = Self { directory: directory.to_path_buf(), sockets: Vec::new() };
        for slot in 0..slots {
            this.sockets.push(UnixListener::bind(mesh::socket(directory, slot))?);
        }
        Ok(this)
    }

    /// Where they are.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A duplicate for a worker of `slot`.
    pub(super) fn lend(&self, slot: u32) -> io::Result<OwnedFd> {
        let socket = self.sockets.get(slot as usize).ok_or(io::ErrorKind::NotFound)?;
        Ok(socket.try_clone()?.into())
    }
}

impl Drop for BusSockets {
    fn drop(&mut self) {
        for (slot, _) in (0..).zip(&self.sockets) {
            // Best effort: the next supervisor of this directory removes what is left.
            let _ = fs::remove_file(mesh::socket(&self.directory, slot));
        }
    }
}
