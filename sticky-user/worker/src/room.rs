//! How many descriptors are left for clients.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use sticky_contract::SlotCount;

/// Descriptors that a worker may need for itself, beside two for each worker on the bus.
const MARGIN: u64 = 64;

/// Room for connections. What the worker needs for itself stays free, however many clients there are.
#[derive(Debug)]
pub(super) struct Room {
    /// The highest number that a connection's descriptor had.
    highest: AtomicI32,
    /// Connections' descriptors are to have lower ones.
    limit: u64,
}

impl Room {
    /// In this process, one of `slots` workers.
    pub(super) fn beside(slots: SlotCount) -> Self {
        let all = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let margin = MARGIN + 2 * u64::from(slots.get());
        Self { highest: AtomicI32::new(0), limit: all - margin.min(all / 2) }
    }

    /// An error when there is none; see [`is_lacking`].
    pub(super) fn look(&self, any: impl AsFd) -> io::Result<()> {
        // The kernel gives the lowest free number, so room is short only when numbers are high.
        if self.is_beyond(self.highest.load(Ordering::Relaxed).saturating_add(1)) {
            let next = any.as_fd().try_clone_to_owned()?;
            if self.is_beyond(next.as_raw_fd()) {
                return Err(Errno::MFILE.into());
            }
        }
        Ok(())
    }

    /// A connection came.
    pub(super) fn take(&self, connection: &impl AsRawFd) {
        self.highest.fetch_max(connection.as_raw_fd(), Ordering::Relaxed);
    }

    fn is_beyond(&self, number: i32) -> bool {
        u64::try_from(number).is_ok_and(|number| number >= self.limit)
    }
}

/// Whether nothing is wrong but that there is no descriptor for another connection.
pub(super) fn is_lacking(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE]
        .iter()
        .any(|lack| error.raw_os_error() == Some(lack.raw_os_error()))
}
