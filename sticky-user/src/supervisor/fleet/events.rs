//! What happens to the fleet, one handler each.

use std::time::Instant;

use sd_notify::NotifyState;
use sticky_contract::SlotId;
use tracing::{error, info, warn};

use super::super::notify::Notification;
use super::super::process::Ended;
use super::super::signals::Asked;
use super::super::slot::{Event, WorkerId};
use super::{Error, Fleet, FleetEvent, KILLING, Phase, limits};
use crate::steering::{self, Mode};

/// After so many failures in a row, what may be the matter is told, once.
const TELLING: u32 = 3;

impl Fleet<'_> {
    pub(super) fn on(&mut self, event: FleetEvent) -> Result<(), Error> {
        match event {
            FleetEvent::Exit { slot, id, how } => return self.exited(slot, id, how),
            FleetEvent::Shut { slot } => self.shut(slot),
            FleetEvent::Waiting { slot } => self.redistribute(slot),
            FleetEvent::Tried(trial) => self.tried(trial),
        }
        Ok(())
    }

    fn exited(&mut self, slot: SlotId, id: WorkerId, how: Ended) -> Result<(), Error> {
        let runtime = &mut self.runtimes[slot];
        let (pid, served) = (runtime.pid(id), runtime.slot.main() == Some(id));
        let was_ready = runtime.worker(Some(id)).is_some_and(|worker| worker.ready);
        let too_late = runtime.slot.name() == "ending" && !was_ready;
        let gone = runtime.workers.extract_if(.., |worker| worker.id == id).collect::<Vec<_>>();
        for worker in gone {
            self.close(worker.notify.name());
            self.forget(worker.process.pid);
        }
        if self.phase == Phase::Starting {
            return Err(if too_late {
                Error::WorkerNotReady { slot, within: self.settings.ready_timeout }
            } else {
                let hint = self.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
                Error::WorkerEnded { slot, how: how.to_string(), hint }
            });
        }
        self.tell(slot, Event::Gone(id))?;
        self.reload_lost(slot, id, how);
        if self.phase == Phase::Serving && served {
            self.report_restart(slot, pid, how);
        } else {
            info!(%slot, pid, "worker {how}");
        }
        self.left_behind(slot);
        Ok(())
    }

    fn report_restart(&self, slot: SlotId, pid: u32, how: Ended) {
        let runtime = &self.runtimes[slot];
        if runtime.slot.main().is_some() {
            warn!(%slot, pid, "worker {how}; its successor starts already");
            return;
        }
        let failures = runtime.slot.failures();
        let delay = humantime::format_duration(self.settings.backoff.delay(failures));
        warn!(%slot, pid, failures, "worker {how}; the next one starts in {delay}");
        if failures == TELLING
            && let Some(hint) = self.hint()
        {
            error!(%slot, "its workers end again and again; {hint}");
        }
    }

    /// What may be the matter with a program that ends by itself.
    fn hint(&self) -> Option<&'static str> {
        let program = !self.settings.command.is_empty();
        (program && self.parts.steering.mode() == Mode::FdPassing).then_some(
            "if it expects a listener: in mode fd-passing descriptor 3 brings connections that were \
             accepted, and accept() fails on it; see docs/workers.md, or use --mode ebpf or cbpf",
        )
    }

    pub(super) fn notified(
        &mut self,
        slot: SlotId,
        id: WorkerId,
        said: &Notification,
    ) -> Result<(), Error> {
        let Some(worker) = self.runtimes[slot].worker_mut(id) else {
            return Ok(());
        };
        // What it says later of its bus is noted when something else is.
        self.changed |= said.bus.is_some() && worker.bus.is_none();
        worker.bus = said.bus.or(worker.bus);
        worker.takes_redistributed |= said.takes_redistributed;
        if said.ready && !worker.ready {
            worker.ready = true;
            self.changed = true;
            if self.phase == Phase::Serving {
                info!(%slot, pid = worker.process.pid, "worker ready");
            }
            self.tell(slot, Event::Ready(id))?;
            self.look_at_queue(slot);
            self.reload_goes_on(slot, id);
            self.redistribute_all();
        }
        if said.alive {
            self.tell(slot, Event::Alive(id))?;
        }
        Ok(())
    }

    pub(super) fn deadline_came(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        // What was said in time counts, also where it was not heard in time.
        for (slot, id, said) in self.notifications_of_due_slots(now) {
            self.notified(slot, id, &said)?;
        }
        if let Phase::Stopping { until } = self.phase
            && until <= now
            && self.closing.take().is_some()
        {
            warn!("some connections could not be passed to their worker in time");
            self.tell_all(Event::Stop(until))?;
        }
        if let Some(becoming) = self.becoming.take_if(|becoming| becoming.until <= now) {
            self.becomes_too_late(becoming);
        }
        if self.renewal.is_some_and(|at| at <= now) {
            self.renew_keeper();
        }
        self.look_at_new_workers(now);
        if self.gone_by().is_some_and(|until| until <= now) {
            return Err(self.undead());
        }
        for slot in self.runtimes.count().iter() {
            if self.runtimes[slot].slot.deadline().is_some_and(|at| at <= now) {
                self.tell(slot, Event::Deadline)?;
            }
        }
        Ok(())
    }

    pub(super) fn signalled(&mut self, asked: Asked) -> Result<(), Error> {
        match asked {
            Asked::Stop(signal) => self.stop(signal),
            Asked::Reload => {
                if let Err(refused) = self.begin_reload() {
                    warn!("SIGHUP: {refused}");
                }
                Ok(())
            }
        }
    }

    /// The first time ends gracefully, the second at once.
    pub(super) fn stop(&mut self, why: &str) -> Result<(), Error> {
        if self.phase != Phase::Starting && self.phase != Phase::Serving {
            warn!("{why} again: ending at once");
            if !matches!(self.phase, Phase::Killing { .. }) {
                self.phase = Phase::Killing { until: Instant::now() + KILLING };
            }
            self.closing = None;
            return self.tell_all(Event::Kill);
        }
        info!("{why}: no new connections, workers drain");
        self.parts.handover.tell(&[NotifyState::Stopping]);
        self.phase = Phase::Stopping { until: Instant::now() + limits(self.settings).drain };
        self.reload = None;
        self.cancel_upgrade();
        self.closing = Some(self.parts.steering.close());
        Ok(())
    }

    /// Nobody new gets in any more, or what only this process had is put down.
    pub(super) fn closed(&mut self, closed: Result<(), steering::Error>) -> Result<(), Error> {
        self.closing = None;
        match (self.becoming.take(), closed) {
            (Some(becoming), done) => self.put_down(becoming, done),
            (None, Ok(())) => {}
            (None, Err(error)) => error!("cannot refuse new connections: {error}"),
        }
        match self.phase {
            Phase::Stopping { until } => self.tell_all(Event::Stop(until)),
            _ => Ok(()),
        }
    }
}
