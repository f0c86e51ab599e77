//! What follows from what happened: processes are started, signalled and remembered.

use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use rustix::process::Signal;
use sticky_contract::SlotId;
use tracing::{debug, error, warn};

use super::super::notify::NotifySocket;
use super::super::process::{Ended, Process};
use super::super::run_dir;
use super::super::slot::{Action, Event, Why, WorkerId};
use super::super::spawn::{Launched, Spawner};
use super::slot_runtime::WorkerRuntime;
use super::{Error, Fleet, FleetEvent, Parts, Phase};

impl Fleet<'_> {
    /// Tells a slot what happened and does what it wants done.
    pub(super) fn tell(&mut self, slot: SlotId, event: Event) -> Result<(), Error> {
        let runtime = &mut self.runtimes[slot];
        // That a worker does not hang is said all the time, and noted when it is said first.
        self.changed |= !matches!(event, Event::Alive(id) if runtime.slot.is_watched(id));
        let actions = runtime.slot.on(event, Instant::now());
        actions.into_iter().try_for_each(|action| self.act(slot, action))
    }

    pub(super) fn tell_all(&mut self, event: Event) -> Result<(), Error> {
        self.runtimes.count().iter().try_for_each(|slot| self.tell(slot, event))
    }

    fn act(&mut self, slot: SlotId, action: Action) -> Result<(), Error> {
        match action {
            Action::Spawn(id) => return self.spawn(slot, id),
            Action::Terminate(id) => self.terminate(slot, id),
            Action::Kill(id, why) => {
                self.report_kill(slot, id, why);
                self.signal(slot, id, Signal::KILL);
            }
            Action::FailOver | Action::Return => self.remap(slot, action),
            Action::Replaced | Action::NotReplaced => self.reload_ended(slot, action),
        }
        Ok(())
    }

    /// Tells a worker to end. Noted before and after: a supervisor that takes over in between tells the
    /// worker again. Without the notes, it would take a serving worker for a draining one, or the other
    /// way round.
    pub(super) fn terminate(&mut self, slot: SlotId, id: WorkerId) {
        if self.phase == Phase::Serving {
            self.note();
        }
        self.signal(slot, id, Signal::TERM);
        if let Some(worker) = self.runtimes[slot].worker_mut(id) {
            worker.told = true;
        }
        self.changed = true;
    }

    fn signal(&self, slot: SlotId, id: WorkerId, signal: Signal) {
        if let Some(worker) = self.runtimes[slot].worker(Some(id)) {
            worker.process.signal(signal);
        }
    }

    fn report_kill(&mut self, slot: SlotId, id: WorkerId, why: Why) {
        let pid = self.runtimes[slot].pid(id);
        match why {
            Why::NotReady => warn!(%slot, pid, "the worker is not ready in time and is killed"),
            Why::NotDrained => {
                warn!(%slot, pid, "the time to drain is over: the worker is killed");
            }
            Why::Hung => {
                let state = super::watch::state_of(pid);
                warn!(%slot, pid, "the worker hangs (no WATCHDOG=1) and is killed; {state}");
                self.found_unfit(slot, id, "hangs: it no longer says WATCHDOG=1");
            }
            Why::Asked => {}
        }
    }

    fn spawn(&mut self, slot: SlotId, id: WorkerId) -> Result<(), Error> {
        self.reload_starts(slot, id);
        match self.start(slot, id) {
            Ok(()) => Ok(()),
            Err(source) if self.phase == Phase::Starting => Err(Error::Spawn { slot, source }),
            Err(error) => {
                error!(%slot, "cannot start a worker: {error}");
                self.tell(slot, Event::Gone(id))?;
                self.reload_without(slot, id, &error);
                Ok(())
            }
        }
    }

    fn start(&mut self, slot: SlotId, id: WorkerId) -> io::Result<()> {
        self.restore_for_a_worker().map_err(io::Error::other)?;
        self.undo(slot)?;
        let notify = NotifySocket::bind(&self.parts.run_dir, &run_dir::notify(slot, id))?;
        let (launched, process) = match self.launch(slot, id, &notify) {
            Ok(launched) => launched,
            Err(error) => {
                self.close(notify.name());
                return Err(error);
            }
        };
        debug!(%slot, pid = process.pid, "worker started");
        self.runtimes[slot].workers.push(WorkerRuntime::new(id, process, notify));
        // From now on the next supervisor would find it.
        self.remember(slot, id);
        self.parts.handover.launch(launched);
        Ok(())
    }

    /// Undoes what workers of the slot, which have gone, may have done to what the next one is given.
    fn undo(&mut self, slot: SlotId) -> io::Result<()> {
        if !self.runtimes[slot].workers.is_empty() {
            return Ok(());
        }
        let Parts { leases, bus, handover, run_dir, .. } = &mut self.parts;
        let lease = leases.free(slot)?;
        if lease.is_some() {
            warn!(%slot, "a process that is no worker has the slot's accept lease; the lease is made anew");
        }
        let socket = bus.as_mut().map(|bus| bus.repair(slot, run_dir)).transpose()?.flatten();
        if socket.is_some() {
            warn!(%slot, "the worker had shut its bus socket down; it is made anew");
        }
        for (name, descriptor) in lease.into_iter().chain(socket) {
            handover.keep(&name, descriptor.as_fd());
        }
        Ok(())
    }

    /// The process, which waits until it may go on.
    fn launch(
        &self,
        slot: SlotId,
        id: WorkerId,
        notify: &NotifySocket,
    ) -> io::Result<(Launched, Process)> {
        let Parts { run_dir, steering, bus, leases, .. } = &self.parts;
        let spawner = Spawner {
            settings: self.settings,
            workers: run_dir.workers(),
            mode: steering.mode(),
            lend: &**steering,
            bus: bus.as_ref(),
            leases,
        };
        let launched = spawner.start(slot, notify.name())?;
        let watch = |ended| Process::watch(launched.pid, launched.guard(), ended);
        match self.watched(slot, id, watch) {
            Ok(process) => Ok((launched, process)),
            Err(error) => {
                launched.abandon();
                Err(error)
            }
        }
    }

    /// Removes the notify socket of a worker that has gone.
    pub(super) fn close(&self, notify: &str) {
        if let Err(error) = self.parts.run_dir.remove_for_workers(notify) {
            debug!("cannot remove {notify}: {error}");
        }
    }

    /// Watches a worker's process, so that its end is noticed.
    pub(super) fn watched(
        &self,
        slot: SlotId,
        id: WorkerId,
        watch: impl FnOnce(Box<dyn FnOnce(Ended) + Send>) -> io::Result<Process>,
    ) -> io::Result<Process> {
        let events = self.events.clone();
        watch(Box::new(move |how| {
            // Nobody to tell: the supervisor itself is ending.
            let _ = events.send(FleetEvent::Exit { slot, id, how });
        }))
    }
}
