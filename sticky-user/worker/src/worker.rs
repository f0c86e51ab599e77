//! The worker: what it inherited, and what an application asks of it.

use std::num::NonZero;
use std::time::Duration;

use rustix::net::SocketAddrUnix;
use sticky_bus::backlog::Backlogs;
use sticky_bus::{self as bus, Bus};
use sticky_contract::lease::AcceptLease;
use sticky_contract::notify::Notifier;
use sticky_contract::{Inherited, InheritedBus, SlotCount, SlotId};
use tracing::warn;

use super::drain::Drain;
use super::source::Passed;
use super::{Draining, Error, Timeouts};

/// How long connections may take to end when nothing else is said.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// One worker: its slot, and the listener that it inherited.
#[derive(Debug)]
pub struct Worker {
    slot: SlotId,
    slots: SlotCount,
    mode: String,
    pub(super) drain: Drain,
    pub(super) passed: Passed,
    pub(super) lease: AcceptLease,
    pub(super) max_connections: Option<NonZero<u32>>,
    pub(super) timeouts: Timeouts,
    pub(super) watchdog: Option<Duration>,
    /// Of the clients of all its sessions.
    pub(super) backlogs: Backlogs,
    bus: InheritedBus,
    joined: Option<Bus>,
    notify: Option<SocketAddrUnix>,
    notifier: Option<Notifier>,
}

impl Worker {
    /// Takes what the supervisor passed, all at once: see [`Inherited`].
    ///
    /// Under systemd's socket activation it is slot 0 of 1.
    ///
    /// # Errors
    ///
    /// No listener was passed, the environment cannot be understood, or this process has called it
    /// before.
    pub fn from_env() -> Result<Self, Error> {
        let inherited = Inherited::from_env()?;
        Ok(Self {
            slot: inherited.slot,
            slots: inherited.slots,
            mode: inherited.mode,
            drain: Drain::new(inherited.drain_timeout.unwrap_or(DRAIN_TIMEOUT)),
            passed: Passed { source: inherited.source, redistributed: inherited.redistributed },
            lease: inherited.lease,
            max_connections: inherited.max_connections,
            timeouts: Timeouts::default(),
            watchdog: inherited.watchdog,
            backlogs: inherited.client_buffer.map_or_else(Backlogs::default, Backlogs::new),
            bus: inherited.bus,
            joined: None,
            notify: inherited.notify,
            notifier: None,
        })
    }

    /// Waits for clients as long as `timeouts` says, and at most 30 years.
    #[must_use]
    pub fn with_timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts: timeouts.clamped(), ..self }
    }

    /// The slot that this worker serves, from 0.
    pub fn slot(&self) -> SlotId {
        self.slot
    }

    /// How many slots there are.
    pub fn slots(&self) -> SlotCount {
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

    /// What carries broadcasts to the other workers: the Redis server that the supervisor names, else
    /// the embedded bus, else [`Bus::alone`]. It is joined at the first call.
    ///
    /// ```no_run
    /// use socketioxide::SocketIo;
    /// use sticky_bus::Adapter;
    /// # async fn example(mut worker: sticky_worker::Worker) -> Result<(), sticky_bus::Error> {
    /// let bus = worker.bus().await?;
    /// let socketio = SocketIo::builder().with_adapter::<Adapter<_>>(bus.adapter());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What the supervisor names cannot be used; see [`Bus::redis`].
    pub async fn bus(&mut self) -> Result<Bus, bus::Error> {
        if let Some(bus) = &self.joined {
            return Ok(bus.clone());
        }
        let inherited = std::mem::replace(&mut self.bus, InheritedBus::None);
        let backlogs = self.backlogs.clone();
        let bus = Bus::join(inherited, self.slot, self.slots, &self.lease, backlogs).await?;
        if let Some(notifier) = self.notifier() {
            bus.report_to(notifier);
        }
        Ok(self.joined.insert(bus).clone())
    }

    /// The way to the supervisor, if it wants to hear and there is one. It is opened at the first call.
    pub(super) fn notifier(&mut self) -> Option<Notifier> {
        if let Some(address) = self.notify.take() {
            self.notifier = Notifier::to(address)
                .inspect_err(|error| warn!("cannot tell the supervisor anything: {error}"))
                .ok();
        }
        self.notifier.clone()
    }
}
