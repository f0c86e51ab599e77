//! What the program counts: each run once, by what came of it.
//!
//! ```text
//! runs = other_protocol + unreadable + no_bucket + sum over slots (selected + empty + refused)
//! ```
//!
//! The sum itself is not counted: that would be one more write in every run.

use crate::MAX_SLOTS;

const SLOTS: usize = MAX_SLOTS as usize;

/// What one CPU counted. Each kind has its slots side by side, so that those that count in every
/// run, `selected`, share as few cache lines as can be.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Dropped: neither IPv4 nor IPv6.
    pub other_protocol: u64,
    /// Dropped: the source address could not be read from the packet.
    pub unreadable: u64,
    /// Dropped: the table of buckets has no entry for the key.
    pub no_bucket: u64,
    /// Given to the slot's listener.
    pub selected: [u64; SLOTS],
    /// Dropped: the slot has no listener.
    pub empty: [u64; SLOTS],
    /// Dropped: the kernel refused the slot's listener (not of this port's group).
    pub refused: [u64; SLOTS],
}

/// The number of counters in [`Counters`].
pub const COUNTERS: usize = size_of::<Counters>() / size_of::<u64>();

/// As user space reads it from the map: the fields in their order.
impl From<[u64; COUNTERS]> for Counters {
    fn from(counts: [u64; COUNTERS]) -> Self {
        let mut counts = counts.into_iter();
        let mut next = || counts.next().unwrap_or_default();
        Self {
            other_protocol: next(),
            unreadable: next(),
            no_bucket: next(),
            selected: [(); SLOTS].map(|()| next()),
            empty: [(); SLOTS].map(|()| next()),
            refused: [(); SLOTS].map(|()| next()),
        }
    }
}
