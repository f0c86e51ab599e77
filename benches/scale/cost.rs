//! The cost of a connection.

use serde::Serialize;
use sticky_benches::numbers::Figure;

use crate::port::Choice;

/// Slots of the ports whose connections stay open.
pub(crate) const SLOTS: u32 = 4;

/// One choice of the listener, measured with so many slots or open connections.
#[derive(Debug, Serialize)]
pub(crate) struct Cost {
    pub(crate) choice: Choice,
    pub(crate) number: usize,
    /// CPU time to connect, accept and close.
    pub(crate) microseconds: Figure,
}
