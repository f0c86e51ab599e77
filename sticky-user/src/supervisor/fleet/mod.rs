//! The workers of all slots: carries out what the slots want, and tells them what happened.
//!
//! `mod.rs` waits for what happens, `events.rs` takes it in, `actions.rs` does what follows;
//! `reload.rs` (with `probation.rs`), `failover.rs`, `handover.rs` and `upgrade.rs` are what concerns
//! more than one slot; `notifications.rs` is what workers say, `repair.rs` what they did to their listeners,
//! `restore.rs` what somebody removed, `foreign_listeners.rs` who else listens; `watch.rs` tells when to look.

mod actions;
mod events;
mod failover;
mod foreign_listeners;
mod handover;
mod notifications;
mod probation;
mod reload;
mod repair;
mod report;
mod restore;
mod slot_runtime;
mod upgrade;
mod watch;

use std::time::{Duration, Instant};

use rustix::process::Signal;
use sticky_contract::{PerSlot, SlotId};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;
use tracing::error;

pub(super) use self::handover::Predecessor;

use self::reload::Reload;
use self::repair::FaultHistory;
use self::slot_runtime::SlotRuntime;
use self::upgrade::Becoming;
use self::watch::Watch;
use super::bus_sockets::BusSockets;
use super::control::Control;
use super::deadline::at;
use super::handover::HandoverWriter;
use super::lease_files::LeaseFiles;
use super::process::Ended;
use super::run_dir::RunDir;
use super::signals::Signals;
use super::slot::{Event, Limits, WorkerId};
use super::status::{Refused, Status};
use super::{Error, Settings};
use crate::listener::ForeignListener;
use crate::steering::{Closing, Refusal, Steering};

/// How long a worker may take to end that was killed.
const KILLING: Duration = Duration::from_secs(10);

/// What the supervisor is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not all workers have been ready yet: a failure ends everything.
    Starting,
    /// A failure is repaired.
    Serving,
    /// Nobody new gets in, workers drain.
    Stopping {
        /// When the last has to be gone.
        until: Instant,
    },
    /// Workers are killed.
    Killing {
        /// When the last has to be gone.
        until: Instant,
    },
}

/// What happens inside of the supervisor.
#[derive(Debug)]
enum FleetEvent {
    /// A worker has ended.
    Exit { slot: SlotId, id: WorkerId, how: Ended },
    /// The listener of a slot was shut down.
    Shut { slot: SlotId },
    /// Connections wait at a slot that others serve.
    Waiting { slot: SlotId },
    /// Another program was asked whether it can take over.
    Tried(upgrade::Trial),
}

/// What a fleet works with.
pub(super) struct Parts {
    pub(super) steering: Box<dyn Steering>,
    pub(super) bus: Option<BusSockets>,
    pub(super) leases: LeaseFiles,
    pub(super) control: Control,
    pub(super) signals: Signals,
    pub(super) handover: HandoverWriter,
    pub(super) run_dir: RunDir,
}

pub(super) struct Fleet<'a> {
    settings: &'a Settings,
    parts: Parts,
    refused: Vec<Refused>,
    runtimes: PerSlot<SlotRuntime>,
    event_queue: UnboundedReceiver<FleetEvent>,
    events: UnboundedSender<FleetEvent>,
    phase: Phase,
    /// Whether everybody was told that all are ready.
    announced: bool,
    reload: Option<Reload>,
    /// Ends the program that is being tried.
    trial: Option<CancellationToken>,
    /// This process is about to become another program.
    becoming: Option<Becoming>,
    closing: Option<Closing>,
    /// When another keeper is started, where there is none.
    renewal: Option<Instant>,
    /// What became of the supervisor before, until its workers are looked after.
    predecessor: Option<Predecessor>,
    watch: Watch,
    foreign_listeners: Vec<ForeignListener>,
    fault_history: FaultHistory,
    /// The worker whose notifications are read first: the one behind the last that was heard.
    next_heard: usize,
    /// Something changed that the next supervisor has to know.
    changed: bool,
    takeovers: u32,
    rolled_back: Option<String>,
    since: Instant,
}

impl<'a> Fleet<'a> {
    pub(super) fn new(settings: &'a Settings, parts: Parts, refused: &[Refusal]) -> Self {
        let refused = refused
            .iter()
            .map(|refusal| Refused { mode: refusal.mode, why: refusal.why() })
            .collect();
        let (events, event_queue) = unbounded_channel();
        let limits = limits(settings);
        let watch = Watch::of(&*parts.steering, &events);
        Self {
            settings,
            parts,
            refused,
            runtimes: PerSlot::new(settings.plan.mapping.slots(), |_| SlotRuntime::new(limits)),
            event_queue,
            events,
            phase: Phase::Starting,
            announced: false,
            reload: None,
            trial: None,
            becoming: None,
            closing: None,
            renewal: None,
            predecessor: None,
            watch,
            foreign_listeners: Vec::new(),
            fault_history: FaultHistory::default(),
            next_heard: 0,
            changed: true,
            takeovers: 0,
            rolled_back: None,
            since: Instant::now(),
        }
    }

    /// Sees to it that a worker is at every slot, and serves until it is told to end.
    pub(super) async fn serve(mut self, announce: impl FnOnce(&Status)) -> Result<(), Error> {
        let result = self.work(announce).await;
        self.end_all().await;
        let Parts { handover, run_dir, .. } = self.parts;
        handover.dissolve().await;
        run_dir.remove();
        result
    }

    async fn work(&mut self, announce: impl FnOnce(&Status)) -> Result<(), Error> {
        let mut announce = Some(announce);
        match self.entrust() {
            Err(error) if self.phase == Phase::Starting => return Err(error),
            entrusted => self.entrusted(entrusted),
        }
        for slot in self.runtimes.count().iter() {
            self.tell(slot, Event::Start)?;
        }
        loop {
            let served = |runtime: &SlotRuntime| runtime.slot.is_ready() || runtime.slot.is_away();
            if !self.announced && self.runtimes.values().all(served) {
                self.announced = true;
                if let Some(announce) = announce.take() {
                    announce(&self.status());
                }
                self.all_ready();
            }
            if self.runtimes.values().all(|runtime| runtime.slot.is_stopped()) {
                let killing = matches!(self.phase, Phase::Killing { .. });
                return if killing { Err(Error::CutShort) } else { Ok(()) };
            }
            if std::mem::take(&mut self.changed) {
                self.note();
            }
            let deadline = self.deadline();
            let Parts { signals, control, handover, .. } = &mut self.parts;
            tokio::select! {
                Some(event) = self.event_queue.recv() => self.on(event)?,
                (slot, id, said) = notifications::next(&mut self.runtimes, &mut self.next_heard) => {
                    self.notified(slot, id, &said)?;
                }
                asked = signals.next() => self.signalled(asked)?,
                request = control.next() => self.answer(request)?,
                closed = done(&mut self.closing) => self.closed(closed)?,
                () = at(deadline) => self.deadline_came()?,
                event = handover.next() => self.keeper_event(event),
                () = self.watch.tick() => self.look_around(),
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let closing = match self.phase {
            Phase::Stopping { until } if self.closing.is_some() => Some(until),
            _ => None,
        };
        let becoming = self.becoming.as_ref().map(|becoming| becoming.until);
        let slots = self.runtimes.values().filter_map(|runtime| runtime.slot.deadline());
        let reload = self.reload.as_ref().and_then(Reload::deadline);
        let waits = [closing, becoming, self.renewal, self.gone_by(), reload];
        slots.chain(waits.into_iter().flatten()).min()
    }

    /// Whether a reload or an upgrade is going on.
    fn is_changing(&self) -> bool {
        self.reload.is_some() || self.trial.is_some() || self.becoming.is_some()
    }

    /// When all workers have to be gone that were killed.
    fn gone_by(&self) -> Option<Instant> {
        match self.phase {
            Phase::Killing { until } => Some(until),
            // They were killed then.
            Phase::Stopping { until } => Some(until + KILLING),
            Phase::Starting | Phase::Serving => None,
        }
    }

    /// Workers that the kernel does not let go of: they wait in it for something.
    fn undead(&self) -> Error {
        let workers = self.runtimes.values().flat_map(|runtime| &runtime.workers);
        let pids: Vec<String> = workers.map(|worker| worker.process.pid.to_string()).collect();
        Error::Undead { pids: pids.join(" ") }
    }

    /// Ends at once what still runs: workers, and a program that is tried. Waits until all have gone,
    /// for some time.
    async fn end_all(&mut self) {
        for worker in self.runtimes.values().flat_map(|runtime| &runtime.workers) {
            worker.process.signal(Signal::KILL);
        }
        self.cancel_upgrade();
        let until = Instant::now() + KILLING;
        while self.trial.is_some()
            || self.runtimes.values().any(|runtime| !runtime.workers.is_empty())
        {
            tokio::select! {
                Some(event) = self.event_queue.recv() => match event {
                    FleetEvent::Exit { slot, id, .. } => {
                        self.runtimes[slot].workers.retain(|worker| worker.id != id);
                    }
                    FleetEvent::Tried(trial) => self.tried(trial),
                    _ => {}
                },
                () = at(Some(until)) => return error!("{}", self.undead()),
            }
        }
    }
}

fn limits(settings: &Settings) -> Limits {
    /// What a worker may take beyond its time to drain, of which it knows: to end by itself.
    const GRACE: Duration = Duration::from_millis(500);
    Limits {
        ready: settings.ready_timeout,
        drain: settings.drain_timeout.saturating_add(GRACE),
        watchdog: settings.watchdog,
        failover: settings.failover_after,
        backoff: settings.backoff,
    }
}

async fn done(closing: &mut Option<Closing>) -> Result<(), crate::steering::Error> {
    match closing {
        Some(closing) => closing.await,
        None => std::future::pending().await,
    }
}
