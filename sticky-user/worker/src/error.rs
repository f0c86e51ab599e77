//! What can go wrong in a worker.

use std::io;

/// Why a worker cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program was started by hand, not by a supervisor.
    #[error(
        "no listener was passed to this process (LISTEN_FDS): start it with `sticky run -- COMMAND`"
    )]
    NoListener,
    /// `LISTEN_FDS` and its companions cannot be read.
    #[error(
        "cannot read the passed descriptors (LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES, STICKY_FDS)"
    )]
    Descriptors(#[source] io::Error),
    /// A variable of the environment does not hold what it should.
    #[error("the environment variable {name} holds {value:?}: expected {expected}")]
    Environment {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// The passed descriptor cannot be used by the runtime.
    #[error("cannot use the passed descriptor")]
    Listener(#[source] io::Error),
    /// The handlers of SIGTERM and SIGINT cannot be installed.
    #[error("cannot handle SIGTERM and SIGINT")]
    Signals(#[source] io::Error),
}
