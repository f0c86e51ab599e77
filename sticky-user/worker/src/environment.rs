//! What a supervisor tells its worker.

use std::env;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use super::drain::Drain;
use super::source::{Passed, Way};
use super::{Draining, Error, Timeouts};
use sticky_bus::backlog::{Backlogs, CLIENT_BUFFER};
use sticky_sys::inherited;

/// How long connections may take to end when nothing else is said.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// One worker: its slot, and the listener that it inherited.
#[derive(Debug)]
pub struct Worker {
    slot: u32,
    slots: u32,
    mode: String,
    pub(super) drain: Drain,
    pub(super) passed: Passed,
    pub(super) max_connections: Option<NonZeroU32>,
    pub(super) timeouts: Timeouts,
}

impl Worker {
    /// Takes what the supervisor passed: a descriptor named `listener` (or `connections`, in mode
    /// `fd-passing`), perhaps others named `turn` and `adopted`, and the variables `STICKY_SLOT`,
    /// `STICKY_WORKERS`, `STICKY_MODE`, `STICKY_DRAIN_TIMEOUT` (such as `10s`) and
    /// `STICKY_CLIENT_BUFFER` (bytes).
    ///
    /// Under systemd's socket activation, where these variables are absent, it is slot 0 of 1.
    pub fn from_env() -> Result<Self, Error> {
        let drain_timeout = variable("STICKY_DRAIN_TIMEOUT", "a duration, such as 10s")?
            .map_or(DRAIN_TIMEOUT, |timeout: humantime::Duration| timeout.into());
        if let Some(bytes) = variable(CLIENT_BUFFER, "a number of bytes")? {
            Backlogs::of_this_process().set_limit(bytes);
        }
        Ok(Self {
            slot: variable("STICKY_SLOT", "the number of a slot")?.unwrap_or(0),
            slots: variable("STICKY_WORKERS", "the number of slots")?.unwrap_or(1),
            mode: variable("STICKY_MODE", "the name of a mode")?.unwrap_or_default(),
            drain: Drain::new(drain_timeout),
            passed: passed()?,
            max_connections: variable("STICKY_MAX_CONNECTIONS", "a number from 1")?,
            timeouts: Timeouts::default(),
        })
    }

    /// Waits for clients as long as `timeouts` says.
    #[must_use]
    pub fn with_timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts, ..self }
    }

    /// The slot that this worker serves, from 0.
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// How many slots there are.
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// How connections get here, as the supervisor names it; empty without a supervisor.
    pub fn mode(&self) -> &str {
        &self.mode
    }

    /// How long connections may take to end once the worker drains.
    pub fn drain_timeout(&self) -> Duration {
        self.drain.timeout
    }

    /// Tells when the worker begins to drain: the moment to close sessions that would go on.
    pub fn draining(&self) -> Draining {
        self.drain.draining.clone()
    }
}

fn passed() -> Result<Passed, Error> {
    let take = |name| inherited::take(name).map_err(Error::Descriptors);
    let way = if let Some(connections) = take("connections")? {
        Way::Connections(connections)
    } else {
        // systemd names a socket after its unit: where there is only one, its name says nothing.
        let listener = match take("listener")? {
            None => inherited::take_only().map_err(Error::Descriptors)?,
            listener => listener,
        };
        Way::Listener(listener.ok_or(Error::NoListener)?)
    };
    Ok(Passed { way, redistributed: take("adopted")? })
}

fn variable<T: FromStr>(name: &'static str, expected: &'static str) -> Result<Option<T>, Error> {
    let Some(value) = env::var_os(name) else {
        return Ok(None);
    };
    match value.to_str().map(str::parse) {
        Some(Ok(parsed)) => Ok(Some(parsed)),
        _ => Err(Error::Environment { name, value: value.to_string_lossy().into(), expected }),
    }
}
