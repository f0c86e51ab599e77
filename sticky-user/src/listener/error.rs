//! Why a port cannot be served.

use std::io;
use std::net::SocketAddr;

use super::holder;
use crate::step::StepError;

/// Why the listeners cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Somebody else has the port.
    #[error(
        "cannot listen on {address}: the port is in use{holder}; \
         stop that program or choose another port with --listen"
    )]
    InUse {
        /// The address that was asked for.
        address: SocketAddr,
        /// Who has it, as far as this process may know; begins with a space when not empty.
        holder: String,
    },
    /// The address is none of this host's.
    #[error(
        "cannot listen on {address}: {} is no address of this host; \
         `ip address` lists those that are, and 0.0.0.0 or [::] stands for all of them",
        address.ip()
    )]
    NotLocal {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// Ports below 1024 need a right.
    #[error(
        "cannot listen on {address}: this process may not use ports below 1024; \
         choose a higher port with --listen, or grant CAP_NET_BIND_SERVICE"
    )]
    Privileged {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// Binding or listening failed in another way.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A step after binding failed.
    #[error(transparent)]
    Step(#[from] StepError),
}

impl Error {
    pub(super) fn bind(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address, holder: holder::describe(address) },
            io::ErrorKind::AddrNotAvailable => Self::NotLocal { address },
            io::ErrorKind::PermissionDenied => Self::Privileged { address },
            _ => Self::Bind { address, source },
        }
    }
}
