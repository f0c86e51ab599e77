//! What the program counts, in stages that add up:
//!
//! ```text
//! runs = other_protocol + unreadable + no_bucket + sum over slots (selected + empty + refused)
//! ```

/// One per program, counted before a slot is known.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunCounters {
    /// Runs of the program: one per connection attempt, and one for each stray segment of a
    /// connection that the kernel no longer knows.
    pub runs: u64,
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
impl From<[u64; 4]> for RunCounters {
    fn from([runs, other_protocol, unreadable, no_bucket]: [u64; 4]) -> Self {
        Self { runs, other_protocol, unreadable, no_bucket }
    }
}

/// As user space reads it from the map: the fields in their order.
impl From<[u64; 3]> for SlotCounters {
    fn from([selected, empty, refused]: [u64; 3]) -> Self {
        Self { selected, empty, refused }
    }
}
