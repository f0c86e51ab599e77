//! What follows from what happened: processes are started, signalled and remembered.

use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use rustix::process::Signal;
use tracing::{debug, error, warn};

use super::super::notify::NotifySocket;
use super::super::process::{Ended, Process};
use super::super::run_dir;
use super::super::slot::{Action, Event, Why, WorkerId};
use super::super::spawn::{Launched, Workshop};
use super::seat::Worker;
use super::{Error, Fleet, Happened, Parts, Phase};

impl Fleet<'_> {
    /// Tells a slot what happened and does what it wants done.
    pub(super) fn tell(&mut self, slot: u32, event: Event) -> Result<(), Error> {
        let Some(seat) = self.seats.get_mut(slot as usize) else {
            return Ok(());
        };
        // That a worker does not hang is said all the time, and noted when it is said first.
        self.changed |= !matches!(event, Event::Alive(id) if seat.slot.is_watched(id));
        let actions = seat.slot.on(event, Instant::now());
        actions.into_iter().try_for_each(|action| self.act(slot, action))
    }

    pub(super) fn tell_all(&mut self, event: Event) -> Result<(), Error> {
        self.settings.plan.mapping.slots().iter().try_for_each(|slot| self.tell(slot, event))
    }

    fn act(&mut self, slot: u32, action: Action) -> Result<(), Error> {
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

    /// Whoever takes over between the two notes tells it again; without them, one that serves would be
    /// taken for one that drains, or the other way round.
    pub(super) fn terminate(&mut self, slot: u32, id: WorkerId) {
        if self.phase == Phase::Serving {
            self.note();
        }
        self.signal(slot, id, Signal::TERM);
        let seat = self.seats.get_mut(slot as usize);
        if let Some(worker) = seat.and_then(|seat| seat.workers.iter_mut().find(|it| it.id == id)) {
            worker.told = true;
        }
        self.changed = true;
    }

    fn signal(&self, slot: u32, id: WorkerId, signal: Signal) {
        let seat = self.seats.get(slot as usize);
        if let Some(worker) = seat.and_then(|seat| seat.worker(Some(id))) {
            worker.process.signal(signal);
        }
    }

    fn report_kill(&mut self, slot: u32, id: WorkerId, why: Why) {
        let pid = self.seats.get(slot as usize).map_or(0, |seat| seat.pid(id));
        match why {
            Why::NotReady => warn!(slot, pid, "the worker is not ready in time and is killed"),
            Why::NotDrained => {
                warn!(slot, pid, "the time to drain is over: the worker is killed");
            }
            Why::Hung => {
                let state = super::watch::state_of(pid);
                warn!(slot, pid, "the worker hangs (no WATCHDOG=1) and is killed; {state}");
                self.found_unfit(slot, id, "hangs: it no longer says WATCHDOG=1");
            }
            Why::Asked => {}
        }
    }

    fn spawn(&mut self, slot: u32, id: WorkerId) -> Result<(), Error> {
        self.reload_starts(slot, id);
        match self.start(slot, id) {
            Ok(()) => Ok(()),
            Err(source) if self.phase == Phase::Starting => Err(Error::Spawn { slot, source }),
            Err(error) => {
                error!(slot, "cannot start a worker: {error}");
                self.tell(slot, Event::Gone(id))?;
                self.reload_without(slot, id, &error);
                Ok(())
            }
        }
    }

    fn start(&mut self, slot: u32, id: WorkerId) -> io::Result<()> {
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
        debug!(slot, pid = process.pid, "worker started");
        let Some(seat) = self.seats.get_mut(slot as usize) else {
            return Ok(());
        };
        seat.workers.push(Worker::new(id, process, notify));
        // From now on the next supervisor would find it.
        self.remember(slot, id);
        self.parts.legacy.launch(launched);
        Ok(())
    }

    /// Undoes what workers of the slot, which have gone, may have done to what the next one is given.
    fn undo(&mut self, slot: u32) -> io::Result<()> {
        if self.seats.get(slot as usize).is_some_and(|seat| !seat.workers.is_empty()) {
            return Ok(());
        }
        let Parts { leases, bus, legacy, run_dir, .. } = &mut self.parts;
        let lease = leases.free(slot)?;
        if lease.is_some() {
            warn!(
                slot,
                "a process that is no worker has the slot's accept lease; the lease is made anew"
            );
        }
        let socket = bus.as_mut().map(|bus| bus.mend(slot, run_dir)).transpose()?.flatten();
        if socket.is_some() {
            warn!(slot, "the worker had shut its bus socket down; it is made anew");
        }
        for (name, descriptor) in lease.into_iter().chain(socket) {
            legacy.keep(&name, descriptor.as_fd());
        }
        Ok(())
    }

    /// The process, which waits until it may go on.
    fn launch(
        &self,
        slot: u32,
        id: WorkerId,
        notify: &NotifySocket,
    ) -> io::Result<(Launched, Process)> {
        let Parts { run_dir, steering, bus, leases, .. } = &self.parts;
        let workshop = Workshop {
            settings: self.settings,
            workers: run_dir.workers(),
            steering: &**steering,
            bus: bus.as_ref(),
            leases,
        };
        let launched = workshop.start(slot, notify.name())?;
        let watch = |ended| Process::watch(launched.pid, launched.guard(), ended);
        match self.watched(slot, id, watch) {
            Ok(process) => Ok((launched, process)),
            Err(error) => {
                launched.abandon();
                Err(error)
            }
        }
    }

    /// Nobody is to find the socket of a worker that is no more.
    pub(super) fn close(&self, notify: &str) {
        if let Err(error) = self.parts.run_dir.remove_for_workers(notify) {
            debug!("cannot remove {notify}: {error}");
        }
    }

    /// Watches a worker's process, so that its end is noticed.
    pub(super) fn watched(
        &self,
        slot: u32,
        id: WorkerId,
        watch: impl FnOnce(Box<dyn FnOnce(Ended) + Send>) -> io::Result<Process>,
    ) -> io::Result<Process> {
        let happen = self.happen.clone();
        watch(Box::new(move |how| {
            // Nobody to tell: the supervisor itself is ending.
            let _ = happen.send(Happened::Exit { slot, id, how });
        }))
    }
}
