//! The queue of connections that wait to be accepted.

use std::io;
use std::os::fd::BorrowedFd;

use sticky_sys::tcp_info;

/// A listener's queue, in connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Established, not yet accepted.
    pub waiting: u32,
    /// How many may wait; a SYN that comes beyond that is dropped, and repeated by the client.
    pub limit: u32,
}

impl Queue {
    pub(super) fn of(listener: BorrowedFd<'_>) -> io::Result<Self> {
        let info = tcp_info::of(listener)?;
        // Of a listening socket, the kernel tells its queue in these two fields (tcp_get_info).
        Ok(Self { waiting: info.tcpi_unacked, limit: info.tcpi_sacked })
    }
}

/// What the kernel makes of a backlog. Without knowing its limit, whatever it is set to is all right.
pub(super) fn allowed(backlog: u32) -> u32 {
    let limit = std::fs::read_to_string("/proc/sys/net/core/somaxconn");
    let limit = limit.ok().and_then(|limit| limit.trim().parse().ok());
    backlog.min(limit.unwrap_or(0))
}
