//! What a supervisor is asked to do.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::User;
use super::backoff::Backoff;
use crate::steering::{ModeChoice, Plan};

/// What a supervisor is asked to do.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The port and the mapping.
    pub plan: Plan,
    /// How connections get to their slots.
    pub mode: ModeChoice,
    /// The worker's program and its arguments; empty for the reference application.
    pub command: Vec<OsString>,
    /// Variables for the worker's environment, beside those that every worker gets.
    pub environment: Vec<(String, OsString)>,
    /// Whether workers are given sockets for the embedded bus.
    pub embedded_bus: bool,
    /// The user that workers run as; `None`: the supervisor's own.
    pub user: Option<User>,
    /// The control socket; [`super::default_control`] where it is `None`.
    pub control: Option<PathBuf>,
    /// How long a worker may take until it says that it is ready.
    pub ready_timeout: Duration,
    /// How long a worker may take to end once it was told to.
    pub drain_timeout: Duration,
    /// How long a worker that says WATCHDOG=1 may be silent; `None`: for ever.
    pub watchdog: Option<Duration>,
    /// How long a slot may be without a worker until others serve its clients; `None`: for ever.
    pub failover_after: Option<Duration>,
    /// How long a slot waits before its worker is started again.
    pub backoff: Backoff,
}
