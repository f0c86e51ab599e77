//! The file of each slot for the accept lease: the worker that has its lock accepts.
//!
//! Workers write into it what is for their successors, and may be hostile: it lies in memory, and its
//! length is sealed.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{
    FlockOperation, MemfdFlags, SealFlags, fcntl_add_seals, flock, ftruncate, memfd_create,
};
use rustix::io::Errno;

use crate::steering::Kept;

/// What is not written takes no memory.
const LENGTH: u64 = 4 * 1024 * 1024;

/// One file for each slot.
#[derive(Debug)]
pub(super) struct LeaseFiles(Vec<OwnedFd>);

impl LeaseFiles {
    pub(super) fn open(slots: u32) -> io::Result<Self> {
        (0..slots).map(|_| sealed()).collect::<io::Result<_>>().map(Self)
    }

    /// Takes over those that an earlier supervisor left.
    pub(super) fn resume(slots: u32, left: &mut Kept) -> io::Result<Self> {
        let take = |slot| left.remove(&name(slot)).ok_or(io::ErrorKind::NotFound.into());
        (0..slots).map(take).collect::<io::Result<_>>().map(Self)
    }

    /// Adds duplicates to what is kept for the next supervisor.
    pub(super) fn keep(&self, kept: &mut Kept) -> io::Result<()> {
        for (slot, file) in (0..).zip(&self.0) {
            kept.insert(name(slot), file.try_clone()?);
        }
        Ok(())
    }

    /// For a worker of `slot`. Opened for each, since a lock belongs to what was opened.
    pub(super) fn lend(&self, slot: u32) -> io::Result<File> {
        let file = self.0.get(slot as usize).ok_or(io::ErrorKind::NotFound)?;
        File::options().read(true).write(true).open(format!("/proc/self/fd/{}", file.as_raw_fd()))
    }

    /// Sees to it that the next worker of `slot`, which has none, can have the lease: another file where
    /// a program has the lock, to which a worker has given its descriptor. The name and the descriptor of
    /// another file are returned, to be kept.
    pub(super) fn free(&mut self, slot: u32) -> io::Result<Option<(String, &OwnedFd)>> {
        match flock(self.lend(slot)?, FlockOperation::NonBlockingLockExclusive) {
            // Closed again, which unlocks it.
            Ok(()) => return Ok(None),
            Err(Errno::WOULDBLOCK) => {}
            Err(error) => return Err(error.into()),
        }
        let place = self.0.get_mut(slot as usize).ok_or(io::ErrorKind::NotFound)?;
        *place = sealed()?;
        Ok(Some((name(slot), place)))
    }
}

fn name(slot: u32) -> String {
    format!("accept-lease-{slot}")
}

fn sealed() -> io::Result<OwnedFd> {
    let file =
        memfd_create("sticky-accept-lease", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&file, LENGTH)?;
    fcntl_add_seals(&file, SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn its_length_stays() {
        let leases = LeaseFiles::open(2).unwrap();
        let file = leases.lend(1).unwrap();
        assert!(file.set_len(0).is_err() && file.set_len(8 << 40).is_err());
        file.write_all_at(b"last", LENGTH - 4).unwrap();
        assert!(file.write_at(b"beyond", LENGTH).is_err());
        assert_eq!(file.metadata().unwrap().len(), LENGTH);
    }

    #[test]
    fn a_lock_that_is_held_is_left_behind() {
        let mut leases = LeaseFiles::open(1).unwrap();
        assert!(leases.free(0).unwrap().is_none());
        let (held, waiting) = (leases.lend(0).unwrap(), leases.lend(0).unwrap());
        let lock = |file: &File| flock(file, FlockOperation::NonBlockingLockExclusive);
        lock(&held).unwrap();
        assert_eq!(lock(&waiting), Err(Errno::WOULDBLOCK), "it is the same file");
        assert!(leases.free(0).unwrap().is_some());
        lock(&leases.lend(0).unwrap()).unwrap();
    }
}
