//! Why a supervisor ends.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use sticky_contract::SlotId;

use super::manifest::ManifestError;
use crate::steering;
use crate::step::StepError;

/// Why a supervisor cannot start, or ended other than asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// The mapping cannot be put in force.
    #[error(transparent)]
    Steering(#[from] steering::Error),
    /// A worker ended before all were ready.
    #[error(
        "the worker of slot {slot} {how} before all workers were ready, so nothing is served; \
         what it printed is above{hint}"
    )]
    WorkerEnded {
        /// Its slot.
        slot: SlotId,
        /// How it ended.
        how: String,
        /// What may be the matter with it.
        hint: String,
    },
    /// A worker did not say that it is ready.
    #[error(
        "the worker of slot {slot} was not ready within {}, so nothing is served; a worker says \
         READY=1 to the socket that NOTIFY_SOCKET names (see sd_notify(3)); \
         --ready-timeout gives it more time",
        humantime::format_duration(*.within)
    )]
    WorkerNotReady {
        /// Its slot.
        slot: SlotId,
        /// How long it had.
        within: Duration,
    },
    /// A worker's process cannot be started at all.
    #[error("cannot start the worker of slot {slot}")]
    Spawn {
        /// Its slot.
        slot: SlotId,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Only root can run workers as another user.
    #[error(
        "cannot run workers as user {0}, which takes root; start the supervisor as root, or leave \
         out --user"
    )]
    User(String),
    /// The directory of the control socket is somebody else's, or open to others.
    #[error(
        "cannot use {} for the control socket: {why}; choose a directory for this supervisor \
         alone with --control DIRECTORY/control.sock", .path.display()
    )]
    RunDir {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// What an earlier supervisor noted does not fit.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A second signal came while the workers drained.
    #[error("ended at once by a second signal, before all workers had drained")]
    CutShort,
    /// Workers were killed, and have not ended.
    #[error(
        "some workers were killed and do not end (pids {pids}): the kernel waits for something that \
         they do; look at `cat /proc/PID/stack`"
    )]
    Undead {
        /// Their processes.
        pids: String,
    },
    /// Another step failed.
    #[error(transparent)]
    Step(#[from] StepError),
}
