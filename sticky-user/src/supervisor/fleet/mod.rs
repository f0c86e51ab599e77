//! The workers of all slots: carries out what the slots want, and tells them what happened.

mod events;
mod report;

use std::time::Instant;

use rustix::process::Signal;
use sd_notify::NotifyState;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::{debug, error};

use super::bus_sockets::BusSockets;
use super::control::Control;
use super::notify::NotifySocket;
use super::process::{Exit, Process};
use super::signals::Signals;
use super::slot::{Action, Event, Limits, Slot, State};
use super::status::{Refused, Status};
use super::{Error, Settings, spawn};
use crate::bus::Health;
use crate::steering::{Refusal, Steering};

/// A slot, and the process that serves it now.
#[derive(Debug)]
struct Seat {
    slot: Slot,
    worker: Option<(Process, Instant)>,
    /// What the worker said of its bus.
    bus: Option<Health>,
}

/// What the supervisor is about.
#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// Not all workers have been ready yet: a failure ends everything.
    Starting,
    /// A failure is repaired.
    Serving,
    /// Workers drain.
    Stopping,
    /// Workers are killed.
    Killing,
}

pub(super) struct Fleet<'a> {
    settings: &'a Settings,
    steering: Box<dyn Steering>,
    refused: Vec<Refused>,
    bus: Option<BusSockets>,
    notify: NotifySocket,
    control: Control,
    signals: Signals,
    seats: Vec<Seat>,
    exits: UnboundedReceiver<Exit>,
    exits_sender: UnboundedSender<Exit>,
    phase: Phase,
    since: Instant,
}

impl<'a> Fleet<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        steering: Box<dyn Steering>,
        refused: &[Refusal],
        bus: Option<BusSockets>,
        notify: NotifySocket,
        control: Control,
        signals: Signals,
    ) -> Self {
        let limits = Limits {
            ready: settings.ready_timeout,
            drain: settings.drain_timeout,
            backoff: settings.backoff,
        };
        let slots = settings.plan.mapping.slots().iter();
        let refused = refused
            .iter()
            .map(|refusal| Refused { mode: refusal.mode, why: refusal.why() })
            .collect();
        let (exits_sender, exits) = unbounded_channel();
        Self {
            settings,
            steering,
            refused,
            bus,
            notify,
            control,
            signals,
            seats: slots
                .map(|_| Seat { slot: Slot::new(limits), worker: None, bus: None })
                .collect(),
            exits,
            exits_sender,
            phase: Phase::Starting,
            since: Instant::now(),
        }
    }

    /// Starts a worker at every slot and serves until a signal ends it.
    pub(super) async fn serve(mut self, announce: impl FnOnce(&Status)) -> Result<(), Error> {
        let mut announce = Some(announce);
        let mut result = Ok(());
        for slot in self.settings.plan.mapping.slots().iter() {
            result = result.and_then(|()| self.tell(slot, Event::Start));
        }
        loop {
            if let Err(error) = std::mem::replace(&mut result, Ok(())) {
                self.kill_all().await;
                return Err(error);
            }
            if self.phase == Phase::Starting
                && self.all(|state| matches!(state, State::Ready { .. }))
            {
                self.phase = Phase::Serving;
                if let Some(announce) = announce.take() {
                    announce(&self.status());
                }
                tell_service_manager(NotifyState::Ready);
            }
            if self.all(|state| *state == State::Stopped) {
                return if self.phase == Phase::Killing { Err(Error::CutShort) } else { Ok(()) };
            }
            let deadline = self.deadline();
            result = tokio::select! {
                Some(exit) = self.exits.recv() => self.exited(exit),
                notification = self.notify.next() => self.notified(&notification),
                signal = self.signals.next() => self.signalled(signal).await,
                request = self.control.next() => { self.answer(request); Ok(()) }
                () = at(deadline) => self.deadline_came(),
            };
        }
    }

    fn all(&self, condition: impl Fn(&State) -> bool) -> bool {
        self.seats.iter().all(|seat| condition(&seat.slot.state()))
    }

    fn deadline(&self) -> Option<Instant> {
        self.seats.iter().filter_map(|seat| seat.slot.deadline()).min()
    }

    /// Tells a slot what happened and does what it wants done.
    fn tell(&mut self, slot: u32, event: Event) -> Result<(), Error> {
        let now = Instant::now();
        let Some(seat) = self.seats.get_mut(slot as usize) else {
            return Ok(());
        };
        match (seat.slot.on(event, now), &seat.worker) {
            (Action::Spawn, _) => return self.spawn(slot),
            (Action::Terminate, Some((process, _))) => process.signal(Signal::TERM),
            (Action::Kill, Some((process, _))) => process.signal(Signal::KILL),
            _ => {}
        }
        Ok(())
    }

    fn spawn(&mut self, slot: u32) -> Result<(), Error> {
        let child = spawn::worker(
            self.settings,
            &*self.steering,
            self.bus.as_ref(),
            slot,
            self.notify.path(),
        );
        match child {
            Ok(child) => {
                let process = Process::watch(slot, child, self.exits_sender.clone());
                debug!(slot, pid = process.pid, "worker started");
                if let Some(seat) = self.seats.get_mut(slot as usize) {
                    seat.worker = Some((process, Instant::now()));
                }
                Ok(())
            }
            Err(source) if self.phase == Phase::Starting => Err(Error::Spawn { slot, source }),
            Err(error) => {
                error!(slot, "cannot start a worker: {error}");
                self.tell(slot, Event::Gone)
            }
        }
    }

    fn tell_all(&mut self, event: Event) -> Result<(), Error> {
        self.settings.plan.mapping.slots().iter().try_for_each(|slot| self.tell(slot, event))
    }

    /// Ends every worker at once and waits until they have gone.
    async fn kill_all(&mut self) {
        self.phase = Phase::Killing;
        for seat in &self.seats {
            if let Some((process, _)) = &seat.worker {
                process.signal(Signal::KILL);
            }
        }
        while self.seats.iter().any(|seat| seat.worker.is_some()) {
            let Some(Exit { slot, .. }) = self.exits.recv().await else {
                return;
            };
            if let Some(seat) = self.seats.get_mut(slot as usize) {
                seat.worker = None;
            }
        }
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// Serving does not depend on a service manager being there to hear.
fn tell_service_manager(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        debug!("cannot notify the service manager: {error}");
    }
}
