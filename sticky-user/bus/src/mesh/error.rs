//! What can go wrong on the mesh.

use std::io;

use super::frame::LONGEST;

/// Why the mesh cannot be used, or a message cannot be sent on it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeshError {
    /// The slot's socket, which the supervisor passed, cannot be used.
    #[error("cannot use the bus socket that the supervisor passed")]
    Socket(#[source] io::Error),
    /// A message cannot be sent.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Bytes that are no frame, or a frame that is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The bytes end within the frame.
    #[error("a frame of the bus is cut short")]
    Short,
    /// There are bytes behind the frame.
    #[error("a frame of the bus is too long")]
    Long,
    /// No such kind of frame.
    #[error("a frame of the bus is of the unknown kind {0}")]
    Unknown(u8),
    /// A channel's name is not UTF-8.
    #[error("a frame of the bus names a channel that is not text")]
    NotText,
    /// More than a frame may hold.
    #[error("{0} bytes are too many for the bus, which carries {LONGEST} at a time")]
    TooLarge(usize),
}
