//! What a mode counts.

use serde::{Deserialize, Serialize};
use sticky_contract::{PerSlot, SlotCount};
use sticky_ebpf::counters;

/// Decisions so far, in stages that add up:
/// `runs = other_protocol + unreadable + no_bucket + sum over slots (selected + empty + refused)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Connection attempts that were seen.
    pub runs: u64,
    /// Dropped: neither IPv4 nor IPv6.
    pub other_protocol: u64,
    /// Dropped: the client's address could not be read.
    pub unreadable: u64,
    /// Dropped: the mapping has no slot for the client.
    pub no_bucket: u64,
    /// What became of the others, slot by slot.
    pub slots: PerSlot<SlotCounts>,
}

/// Decisions for one slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotCounts {
    /// Brought to the slot.
    pub selected: u64,
    /// Dropped: the slot has no listener.
    pub empty: u64,
    /// Dropped: the slot's listener or socket did not take the connection.
    pub refused: u64,
}

impl Counters {
    /// Dropped for whatever reason.
    pub fn dropped(&self) -> u64 {
        let by_slot = self.slots.values().map(|slot| slot.empty + slot.refused).sum::<u64>();
        self.other_protocol + self.unreadable + self.no_bucket + by_slot
    }

    /// What the kernel program counted, of the slots that there are.
    pub(super) fn of_kernel(counted: &counters::Counters, slots: SlotCount) -> Self {
        let counters::Counters { other_protocol, unreadable, no_bucket, .. } = *counted;
        let slots = PerSlot::new(slots, |slot| SlotCounts {
            selected: counted.selected[slot.index()],
            empty: counted.empty[slot.index()],
            refused: counted.refused[slot.index()],
        });
        Self { runs: 0, other_protocol, unreadable, no_bucket, slots }.summed()
    }

    /// What became of connections whose slot was known from the start.
    pub(super) fn of_slots(slots: PerSlot<SlotCounts>) -> Self {
        Self { runs: 0, other_protocol: 0, unreadable: 0, no_bucket: 0, slots }.summed()
    }

    /// The same with `runs` as the sum of all stages.
    fn summed(self) -> Self {
        let selected: u64 = self.slots.values().map(|slot| slot.selected).sum();
        Self { runs: selected + self.dropped(), ..self }
    }
}
