//! What the next supervisor finds, and becoming it.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use sticky_contract::SlotId;
use tracing::{error, info, warn};

use super::super::handover::KeeperEvent;
use super::super::manifest::{Manifest, SlotNote, WorkerNote};
use super::super::notify::NotifySocket;
use super::super::process::Process;
use super::super::run_dir;
use super::super::slot::{Clock, Slot, WorkerId};
use super::slot_runtime::WorkerRuntime;
use super::{Error, Fleet, Phase, SlotRuntime, limits};
use crate::causes;
use crate::keeper::PROCESS;
use crate::steering::Kept;
use crate::step::Step as _;

/// What happened to the supervisor before this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Predecessor {
    /// It became this program.
    Upgraded,
    /// It was killed.
    Killed,
}

/// Between two attempts to have a keeper.
const RENEWAL: Duration = Duration::from_secs(1);

impl Fleet<'_> {
    /// Gives the keeper everything that the next supervisor needs.
    pub(super) fn entrust(&mut self) -> Result<(), Error> {
        let gather = || -> io::Result<Kept> {
            let mut kept = self.parts.steering.kept()?;
            self.parts.control.keep(&mut kept)?;
            self.parts.leases.keep(&mut kept)?;
            if let Some(bus) = &self.parts.bus {
                bus.keep(&mut kept)?;
            }
            for worker in self.runtimes.values().flat_map(|runtime| &runtime.workers) {
                kept.insert(name(worker.process.pid), worker.process.pidfd().try_clone()?);
                kept.extend(
                    notify_names(worker.process.pid).into_iter().zip(worker.notify.try_clone()?),
                );
            }
            Ok(kept)
        };
        let kept = gather().step("gather what the next supervisor needs")?;
        for (name, descriptor) in kept {
            self.parts.handover.keep(&name, descriptor.as_fd());
        }
        self.note();
        Ok(())
    }

    /// A worker was started.
    pub(super) fn remember(&mut self, slot: SlotId, id: WorkerId) {
        let worker = self.runtimes[slot].worker(Some(id));
        if let Some(worker) = worker {
            let (pid, process) = (worker.process.pid, worker.process.pidfd().as_fd());
            match worker.notify.try_clone() {
                Ok(sockets) => {
                    for (name, socket) in notify_names(pid).iter().zip(&sockets) {
                        self.parts.handover.keep(name, socket.as_fd());
                    }
                }
                Err(error) => warn!(pid, "cannot keep a notify socket: {error}"),
            }
            self.parts.handover.keep(&name(pid), process);
        }
        self.note();
    }

    /// A worker has gone.
    pub(super) fn forget(&mut self, pid: u32) {
        self.changed = true;
        for name in notify_names(pid).into_iter().chain([name(pid)]) {
            self.parts.handover.forget(&name);
        }
    }

    /// Notes where things stand.
    pub(super) fn note(&mut self) {
        let note = serde_json::to_string(&self.manifest()).unwrap_or_default();
        self.parts.handover.note(note);
    }

    pub(super) fn manifest(&self) -> Manifest {
        let clock = Clock::now();
        let note = |worker: &WorkerRuntime| {
            let &WorkerRuntime {
                id,
                ref process,
                since,
                ready,
                takes_redistributed,
                told,
                bus,
                ..
            } = worker;
            let started = WorkerNote::started(since.elapsed());
            let (pid, lost_to_bus) = (process.pid, worker.is_lost_to_bus);
            WorkerNote { id, pid, ready, takes_redistributed, told, started, bus, lost_to_bus }
        };
        let steering = &self.parts.steering;
        let mut manifest = Manifest::new(self.settings, steering.address(), steering.mode());
        manifest.noted = steering.noted();
        manifest.takeovers = self.takeovers;
        manifest.slots = self.runtimes.map(|_, runtime| SlotNote {
            life: runtime.slot.note(clock),
            workers: runtime.workers.iter().map(note).collect(),
        });
        manifest
    }

    /// Starts another keeper where this one has ended or takes nothing, so that the next supervisor finds
    /// everything.
    pub(super) fn keeper_event(&mut self, event: KeeperEvent) {
        match event {
            KeeperEvent::Settled => return self.settled(),
            KeeperEvent::Ended => warn!("the keeper has ended; starting another one"),
            KeeperEvent::Stuck => {
                warn!("the keeper takes nothing; ending it and starting another one");
            }
            KeeperEvent::Broken(error) => {
                warn!("cannot tell the keeper anything ({error}); starting another one");
            }
        }
        if self.parts.handover.age() < RENEWAL {
            // The next one may end as soon.
            self.parts.handover.end_keeper();
            self.renewal = Some(Instant::now() + RENEWAL);
        } else {
            self.renew_keeper();
        }
    }

    /// Starts another keeper.
    pub(super) fn renew_keeper(&mut self) {
        let renewed = self.parts.handover.renew(&self.parts.run_dir).map_err(Error::from);
        let entrusted = renewed.and_then(|()| self.entrust());
        self.entrusted(entrusted);
    }

    /// Serving does not depend on a keeper: where there is none, another is started later.
    pub(super) fn entrusted(&mut self, entrusted: Result<(), Error>) {
        self.renewal = None;
        if let Err(error) = entrusted {
            let why = causes::on_one_line(&error);
            error!(
                "{why}; a supervisor that follows cannot take over; trying again in {RENEWAL:?}"
            );
            self.renewal = Some(Instant::now() + RENEWAL);
        }
    }

    /// Goes on with the workers that an earlier supervisor noted.
    pub(in super::super) fn resume(
        &mut self,
        manifest: Manifest,
        left: &mut Kept,
        predecessor: Predecessor,
        rolled_back: Option<String>,
    ) {
        self.phase = Phase::Serving;
        self.takeovers = manifest.takeovers + 1;
        self.rolled_back = rolled_back;
        let (now, clock) = (Instant::now(), Clock::now());
        for (slot, SlotNote { life, workers }) in manifest.slots {
            let find = |note: WorkerNote| {
                let notify = run_dir::notify(slot, note.id);
                let Some(pidfd) = left.remove(&name(note.pid)) else {
                    // It ended while nobody looked.
                    self.close(&notify);
                    return None;
                };
                let sockets = notify_names(note.pid);
                let sockets = sockets.iter().filter_map(|name| left.remove(name));
                // Without one, it is watched all the same, and has another one soon.
                let notify = NotifySocket::of(sockets, &notify).unwrap_or_else(|error| {
                    error!(%slot, pid = note.pid, "cannot take over a notify socket: {error}");
                    NotifySocket::none(notify)
                });
                let watch = |ended| Process::of(note.pid, pidfd, ended);
                let process = self.watched(slot, note.id, watch).inspect_err(|error| {
                    error!(%slot, pid = note.pid, "cannot watch a worker, which is killed: {error}");
                });
                let process = process.ok()?;
                let since = now.checked_sub(note.running()).unwrap_or(now);
                let WorkerNote { id, ready, takes_redistributed, told, bus, lost_to_bus, .. } =
                    note;
                let worker = WorkerRuntime::new(id, process, notify);
                let is_lost_to_bus = lost_to_bus;
                Some(WorkerRuntime {
                    since,
                    ready,
                    takes_redistributed,
                    told,
                    bus,
                    is_lost_to_bus,
                    ..worker
                })
            };
            let workers: Vec<WorkerRuntime> = workers.into_iter().filter_map(find).collect();
            let there: Vec<WorkerId> = workers.iter().map(|worker| worker.id).collect();
            let resumed = Slot::resumed(limits(self.settings), &life, &there, clock);
            self.runtimes[slot] = SlotRuntime { slot: resumed, workers };
        }
        // What belongs to nobody any more.
        for name in std::mem::take(left).into_keys() {
            self.parts.handover.forget(&name);
        }
        self.predecessor = Some(predecessor);
        self.repair_all();
        self.tell_again();
        self.redistribute_all();
    }

    /// The earlier supervisor was killed before it could tell a worker that it is to end.
    fn tell_again(&mut self) {
        let mut not_told = Vec::new();
        for (slot, runtime) in self.runtimes.iter() {
            let drains = |worker: &&WorkerRuntime| runtime.slot.drains(worker.id) && !worker.told;
            not_told.extend(runtime.workers.iter().filter(drains).map(|worker| (slot, worker.id)));
        }
        for (slot, id) in not_told {
            self.terminate(slot, id);
        }
    }

    /// The clients of every slot are served, for the first time.
    pub(super) fn all_ready(&mut self) {
        self.phase = Phase::Serving;
        self.parts.handover.tell(&[sd_notify::NotifyState::Ready]);
        if self.predecessor.take() == Some(Predecessor::Killed) {
            info!("the workers of the supervisor that was killed are replaced");
            if let Err(refused) = self.begin_reload() {
                warn!("{refused}");
            }
        }
    }
}

fn name(pid: u32) -> String {
    format!("{PROCESS}{pid}")
}

/// Of the socket that has its name, and of the first that had it.
fn notify_names(pid: u32) -> [String; 2] {
    [format!("notify-{pid}"), format!("notify-{pid}-first")]
}
