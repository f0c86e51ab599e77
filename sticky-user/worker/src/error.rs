//! What can go wrong in a worker.

use std::io;

use sticky_contract::InheritedError;

/// Why a worker cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The supervisor's environment is missing, or wrong.
    #[error(transparent)]
    Inherited(#[from] InheritedError),
    /// The passed descriptor cannot be used by the runtime.
    #[error("cannot use the passed descriptor")]
    Listener(#[source] io::Error),
    /// The handlers of SIGTERM and SIGINT cannot be installed.
    #[error("cannot handle SIGTERM and SIGINT")]
    Signals(#[source] io::Error),
}
