//! What the program and the supervisor share in the kernel: names and shapes.

/// The program's name in the object.
pub const PROGRAM: &str = "sticky_steer";

/// Array with one entry, the table bucket -> slot: `[u8; MAX_BUCKETS]`. An entry for each bucket would
/// be one of 8 bytes, and the table too large for the nearest cache.
pub const BUCKETS: &str = "BUCKETS";

/// Socket array, slot -> listener.
pub const LISTENERS: &str = "LISTENERS";

/// Per-CPU array with one entry: [`crate::counters::Counters`].
pub const COUNTERS: &str = "COUNTERS";

/// Constant of the program, set when it is loaded: the number of buckets (u32).
pub const BUCKET_COUNT: &str = "BUCKET_COUNT";

/// Constant of the program, set when it is loaded: the length of the IPv6 prefix in bits (u8).
pub const IPV6_PREFIX: &str = "IPV6_PREFIX";

/// Constant of the program, set when it is loaded: aya-log's level (u8), 0 for none.
pub const LOG_LEVEL: &str = "AYA_LOG_LEVEL";

/// Ring buffer of aya-log.
pub const LOG: &str = "AYA_LOGS";
