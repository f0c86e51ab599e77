//! The accept lease of each slot: a file whose lock says which worker may accept.
//!
//! Workers write into the file what is for their successors, and may be hostile: the file lies in memory,
//! and its length is sealed.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{
    FlockOperation, MemfdFlags, SealFlags, fcntl_add_seals, flock, ftruncate, memfd_create,
};
use rustix::io::Errno;
use sticky_contract::lease::FILE_LENGTH;
use sticky_contract::{PerSlot, SlotCount, SlotId};

use crate::steering::Kept;

/// A file for each slot.
#[derive(Debug)]
pub(super) struct LeaseFiles(PerSlot<OwnedFd>);

impl LeaseFiles {
    pub(super) fn open(slots: SlotCount) -> io::Result<Self> {
        PerSlot::try_new(slots, |_| sealed()).map(Self)
    }

    /// Takes over the leases that an earlier supervisor left.
    pub(super) fn resume(slots: SlotCount, left: &mut Kept) -> io::Result<Self> {
        let take = |slot| left.remove(&name(slot)).ok_or(io::ErrorKind::NotFound.into());
        PerSlot::try_new(slots, take).map(Self)
    }

    /// Adds duplicates to what is kept for the next supervisor.
    pub(super) fn keep(&self, kept: &mut Kept) -> io::Result<()> {
        for (slot, file) in self.0.iter() {
            kept.insert(name(slot), file.try_clone()?);
        }
        Ok(())
    }

    /// The lease for a worker of `slot`: opened for each worker, since a lock belongs to an open file.
    pub(super) fn lend(&self, slot: SlotId) -> io::Result<File> {
        let file = &self.0[slot];
        File::options().read(true).write(true).open(format!("/proc/self/fd/{}", file.as_raw_fd()))
    }

    /// Sees to it that the next worker of `slot`, which has none now, can have the lease. Where a program
    /// holds the lock (to which a worker has given its descriptor), another file takes the place; its name
    /// and descriptor are returned, to be kept.
    pub(super) fn free(&mut self, slot: SlotId) -> io::Result<Option<(String, &OwnedFd)>> {
        match flock(self.lend(slot)?, FlockOperation::NonBlockingLockExclusive) {
            // Closed again, which unlocks it.
            Ok(()) => return Ok(None),
            Err(Errno::WOULDBLOCK) => {}
            Err(error) => return Err(error.into()),
        }
        self.0[slot] = sealed()?;
        Ok(Some((name(slot), &self.0[slot])))
    }
}

fn name(slot: SlotId) -> String {
    format!("accept-lease-{slot}")
}

fn sealed() -> io::Result<OwnedFd> {
    let file =
        memfd_create("sticky-accept-lease", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&file, FILE_LENGTH)?;
    fcntl_add_seals(&file, SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn its_length_stays() {
        let leases = LeaseFiles::open(SlotCount::default()).unwrap();
        let file = leases.lend(SlotId::FIRST).unwrap();
        assert!(file.set_len(0).is_err() && file.set_len(8 << 40).is_err());
        file.write_all_at(b"last", FILE_LENGTH - 4).unwrap();
        assert!(file.write_at(b"beyond", FILE_LENGTH).is_err());
        assert_eq!(file.metadata().unwrap().len(), FILE_LENGTH);
    }

    #[test]
    fn a_lock_that_is_held_is_left_behind() {
        let slot = SlotId::FIRST;
        let mut leases = LeaseFiles::open(SlotCount::default()).unwrap();
        assert!(leases.free(slot).unwrap().is_none());
        let (held, waiting) = (leases.lend(slot).unwrap(), leases.lend(slot).unwrap());
        let lock = |file: &File| flock(file, FlockOperation::NonBlockingLockExclusive);
        lock(&held).unwrap();
        assert_eq!(lock(&waiting), Err(Errno::WOULDBLOCK), "it is the same file");
        assert!(leases.free(slot).unwrap().is_some());
        lock(&leases.lend(slot).unwrap()).unwrap();
    }
}
