//! What a supervisor of `sticky` and its workers agree on.
//!
//! * [`lease`]: which worker of a slot accepts,
//! * [`notify`]: how a worker tells its supervisor something,
//! * [`SlotId`] and [`PerSlot`]: which slot, and what there is one of for each.

pub mod lease;
pub mod notify;
mod per_slot;

pub use per_slot::PerSlot;
pub use sticky_ebpf::{SlotCount, SlotCountError, SlotId, SlotIdError};
