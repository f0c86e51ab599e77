//! What can go wrong in the application.

use {sticky_bus as bus, sticky_worker as worker};

/// Why the application cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// The worker cannot serve.
    #[error(transparent)]
    Worker(#[from] worker::Error),
    /// The bus cannot be used.
    #[error(transparent)]
    Bus(#[from] bus::Error),
    /// The other workers cannot be heard.
    #[error("cannot listen to the other workers: {0}")]
    Join(#[from] socketioxide_redis::InitError<bus::Bus>),
}
