//! What the program counts: each run once, by what came of it.
//!
//! ```text
//! runs = other_protocol + unreadable + no_bucket + sum over slots (selected + empty + refused)
//! ```
//!
//! The sum itself is not counted: that would be one look-up more in every run.

/// One per program: what was dropped before a slot was known.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DropCounters {
    /// Dropped: neither IPv4 nor IPv6.
    pub other_protocol: u64,
    /// Dropped: the source address could not be read from the packet.
    pub unreadable: u64,
    /// Dropped: the table of buckets has no entry for the key.
    pub no_bucket: u64,
}

/// One per slot.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotCounters {
    /// Given to the slot's listener.
    pub selected: u64,
    /// Dropped: the slot has no listener.
    pub empty: u64,
    /// Dropped: the kernel refused the slot's listener (not of this port's group).
    pub refused: u64,
}

/// As user space reads it from the map: the fields in their order.
impl From<[u64; 3]> for DropCounters {
    fn from([other_protocol, unreadable, no_bucket]: [u64; 3]) -> Self {
        Self { other_protocol, unreadable, no_bucket }
    }
}

/// As user space reads it from the map: the fields in their order.
impl From<[u64; 3]> for SlotCounters {
    fn from([selected, empty, refused]: [u64; 3]) -> Self {
        Self { selected, empty, refused }
    }
}
