//! The mapping: which slot serves which client.
//!
//! ```text
//! address ──► key ──────────► bucket ───────────► slot
//!             digits (IPv4)   key mod buckets      table[bucket]
//!             prefix (IPv6)
//! ```
//!
//! This library is written once and used by everyone who needs the mapping: the kernel program
//! (`src/program/steer.rs`), the supervisor, the command line, the tests and the benches. It has no
//! dependency (but serde, where numbers of slots are read and written), allocates nothing and never panics.
//!
//! ```
//! use sticky_ebpf::{Mapping, SlotCount};
//!
//! let mapping = Mapping::new(SlotCount::new(4)?);
//! // 127.0.0.1 without its dots is 127001, and 127001 mod 4 is 1.
//! assert_eq!(mapping.slot_of("127.0.0.1".parse()?).get(), 1);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

#![no_std]
#![forbid(unsafe_code)]
#![expect(clippy::inline_always, reason = "calls cost in the kernel program")]

pub mod counters;
pub mod key;
pub mod maps;
pub mod prefix;
mod slot_id;
mod slots;
mod table;

pub use key::Key;
pub use prefix::Ipv6Prefix;
pub use slot_id::{SlotId, SlotIdError};
pub use slots::{BUCKETS_PER_SLOT, MAX_BUCKETS, MAX_SLOTS, SlotCount, SlotCountError};
pub use table::Mapping;
