//! What happens to a slot, and what follows.

use std::time::Instant;

/// One start of a worker at a slot; later ones have greater numbers.
pub(crate) type WorkerId = u64;

/// What happened to a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A worker is wanted.
    Start,
    /// The worker said READY=1.
    Ready(WorkerId),
    /// The worker said WATCHDOG=1.
    Alive(WorkerId),
    /// The worker has ended, or could not be started.
    Gone(WorkerId),
    /// The time of [`Slot::deadline`](super::Slot::deadline) has come.
    Deadline,
    /// Another worker shall take the place of the serving worker.
    Replace,
    /// The workers are to end, after they have drained, and to be gone at this time.
    Stop(Instant),
    /// The workers are to end at once.
    Kill,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start a worker.
    Spawn(WorkerId),
    /// Ask the worker to drain and end (SIGTERM).
    Terminate(WorkerId),
    /// End the worker (SIGKILL).
    Kill(WorkerId, Why),
    /// The slot is without a worker for too long: others shall serve its clients.
    FailOver,
    /// The slot serves its clients again.
    Return,
    /// A replacement is over: the successor serves, and its predecessor has gone.
    Replaced,
    /// The successor did not get ready; the worker that serves goes on.
    NotReplaced,
}

/// Why a worker is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It did not say READY=1 in time.
    NotReady,
    /// It no longer says WATCHDOG=1.
    Hung,
    /// It was told to end and did not in time.
    NotDrained,
    /// Everything is to end at once.
    Asked,
}
