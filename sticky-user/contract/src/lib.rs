//! What a supervisor of `sticky` and its workers agree on.
//!
//! * [`lease`]: which worker of a slot accepts,
//! * [`notify`]: how a worker tells its supervisor something.

pub mod lease;
pub mod notify;
