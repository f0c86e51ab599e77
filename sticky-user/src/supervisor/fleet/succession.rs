//! What the next supervisor finds, and becoming it.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::super::manifest::{Manifest, SlotNote, WorkerNote};
use super::super::notify::NotifySocket;
use super::super::process::Process;
use super::super::run_dir;
use super::super::signals::Signals;
use super::super::slot::{Resumed, Slot, WorkerId};
use super::super::upgrade::{self, UpgradeError};
use super::seat::Worker;
use super::{Error, Fleet, Happened, Phase, Seat, limits};
use crate::causes;
use crate::keeper::{KeeperError, PROCESS};
use crate::steering::Kept;

/// What happened to the supervisor before this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Before {
    /// It became this program.
    Upgraded,
    /// It was killed.
    Killed,
}

/// Another program was asked whether it can take over.
#[derive(Debug)]
pub(super) struct Trial {
    program: PathBuf,
    result: Result<String, UpgradeError>,
    answer: oneshot::Sender<String>,
}

/// What this process is going to be.
#[derive(Debug)]
pub(super) struct Becoming {
    program: PathBuf,
    pub(super) answer: oneshot::Sender<String>,
    pub(super) until: Instant,
}

/// How long connections that were accepted may take to get on their way to a worker.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two attempts to have a keeper.
const RENEWAL: Duration = Duration::from_secs(1);

impl Fleet<'_> {
    /// Gives the keeper everything that the next supervisor needs.
    pub(super) fn entrust(&mut self) -> Result<(), Error> {
        let gather = || -> io::Result<Kept> {
            let mut kept = self.parts.steering.kept()?;
            self.parts.control.keep(&mut kept)?;
            if let Some(bus) = &self.parts.bus {
                bus.keep(&mut kept)?;
            }
            for worker in self.seats.iter().flat_map(|seat| &seat.workers) {
                kept.insert(name(worker.process.pid), worker.process.pidfd().try_clone()?);
                kept.insert(notify_name(worker.process.pid), worker.notify.try_clone()?);
            }
            Ok(kept)
        };
        let kept = gather().map_err(Error::system("gather what the next supervisor needs"))?;
        for (name, descriptor) in kept {
            self.parts.legacy.keep(&name, descriptor.as_fd())?;
        }
        self.try_note().map_err(Error::from)
    }

    /// A worker was started.
    pub(super) fn remember(&mut self, slot: u32, id: WorkerId) {
        let worker = self.seats.get(slot as usize).and_then(|seat| seat.worker(Some(id)));
        let kept = worker.map(|worker| {
            let (pid, process) = (worker.process.pid, worker.process.pidfd().as_fd());
            let notify =
                worker.notify.try_clone().map_err(Error::system("keep a notify socket"))?;
            self.parts.legacy.keep(&notify_name(pid), notify.as_fd())?;
            Ok::<_, Error>(self.parts.legacy.keep(&name(pid), process)?)
        });
        if let Some(Err(error)) = kept {
            // Whether it has ended is heard by its process, and mended there.
            warn!("{}", causes::on_one_line(&error));
        }
        self.note();
    }

    /// A worker has gone.
    pub(super) fn forget(&mut self, pid: u32) {
        self.changed = true;
        for name in [name(pid), notify_name(pid)] {
            if let Err(error) = self.parts.legacy.forget(&name) {
                warn!("{}", causes::on_one_line(&error));
            }
        }
    }

    /// Notes where things stand.
    pub(super) fn note(&mut self) {
        if let Err(error) = self.try_note() {
            warn!("{}", causes::on_one_line(&error));
        }
    }

    fn try_note(&mut self) -> Result<(), KeeperError> {
        let note = serde_json::to_string(&self.manifest()).unwrap_or_default();
        self.parts.legacy.note(note)
    }

    fn manifest(&self) -> Manifest {
        let note = |worker: &Worker| {
            let Worker { id, process, since, ready, adopts, .. } = worker;
            WorkerNote::new(*id, process.pid, since.elapsed(), *ready, *adopts)
        };
        let steering = &self.parts.steering;
        let mut manifest = Manifest::new(self.settings, steering.address(), steering.mode());
        manifest.noted = steering.noted();
        manifest.takeovers = self.takeovers;
        manifest.slots = self
            .seats
            .iter()
            .map(|seat| SlotNote {
                restarts: seat.slot.restarts(),
                main: seat.main().map(note),
                other: seat.other().map(note),
            })
            .collect();
        manifest
    }

    /// The keeper was ended by somebody: another one, so that the next supervisor finds everything.
    pub(super) fn keeper_ended(&mut self, ended: io::Result<()>) {
        match ended {
            Ok(()) => warn!("the keeper has ended; starting another one"),
            Err(error) => warn!("cannot watch the keeper ({error}); starting another one"),
        }
        self.renew_keeper();
    }

    /// Starts another keeper.
    pub(super) fn renew_keeper(&mut self) {
        let renewed = self.parts.legacy.renew(&self.parts.run_dir).map_err(Error::from);
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
        before: Before,
        rolled_back: Option<String>,
    ) {
        self.phase = Phase::Serving;
        self.takeovers = manifest.takeovers + 1;
        self.rolled_back = rolled_back;
        let now = Instant::now();
        for (slot, note) in (0..).zip(manifest.slots) {
            let mut find = |note: Option<WorkerNote>| {
                let note = note?;
                let pidfd = left.remove(&name(note.pid))?;
                let notify = run_dir::notify(slot, note.id);
                let notify = match left.remove(&notify_name(note.pid)) {
                    Some(socket) => NotifySocket::of(socket, notify),
                    None => NotifySocket::bind(&self.parts.run_dir, notify),
                };
                let notify = notify.ok()?;
                let watch = |ended| Process::of(note.pid, pidfd, ended);
                let process = self.watched(slot, note.id, watch).ok()?;
                let since = now.checked_sub(note.running()).unwrap_or(now);
                let WorkerNote { id, ready, adopts, .. } = note;
                Some(Worker { since, ready, adopts, ..Worker::new(id, process, notify) })
            };
            let (main, other) = (find(note.main), find(note.other));
            let resumed =
                main.as_ref().map(|worker| Resumed { id: worker.id, ready: worker.ready });
            let other_id = other.as_ref().map(|worker| worker.id);
            let limits = limits(self.settings);
            let seat = Seat {
                slot: Slot::resumed(limits, resumed, other_id, note.restarts, now),
                workers: main.into_iter().chain(other).collect(),
            };
            if let Some(place) = self.seats.get_mut(slot as usize) {
                *place = seat;
            }
        }
        self.before = Some(before);
    }

    /// Every slot has a worker that is ready, for the first time.
    pub(super) fn all_ready(&mut self) {
        self.phase = Phase::Serving;
        super::tell_service_manager(&[sd_notify::NotifyState::Ready]);
        if self.before.take() == Some(Before::Killed) {
            info!("the workers of the supervisor that was killed are replaced");
            if let Err(refused) = self.begin_reload() {
                warn!("{refused}");
            }
        }
    }

    /// Lets another program show that it can take over; the result comes as [`Happened::Tried`].
    pub(super) fn begin_upgrade(
        &mut self,
        program: Option<PathBuf>,
        answer: oneshot::Sender<String>,
    ) {
        if self.phase != Phase::Serving || !self.announced {
            let refused = "the workers are starting or ending; nothing is upgraded";
            let _ = answer.send(refused.into());
            return;
        }
        if self.reload.is_some() || self.upgrading {
            let refused = "a reload or an upgrade is going on; wait until it is over";
            let _ = answer.send(refused.into());
            return;
        }
        let program = match program.map_or_else(upgrade::own_path, Ok) {
            Ok(program) => program,
            Err(error) => return self.no_upgrade(answer, &causes::on_one_line(&error)),
        };
        self.upgrading = true;
        let note = serde_json::to_string(&self.manifest()).unwrap_or_default();
        let happen = self.happen.clone();
        tokio::task::spawn_blocking(move || {
            let result = upgrade::try_out(&program, &note);
            let _ = happen.send(Happened::Tried(Trial { program, result, answer }));
        });
    }

    /// Gets ready to become the program, if it can take over.
    pub(super) fn tried(&mut self, Trial { program, result, answer }: Trial) {
        match result {
            _ if self.phase != Phase::Serving => self.no_upgrade(answer, "the server is ending"),
            Ok(version) => {
                info!("upgrade: becoming {}, version {version}", program.display());
                self.closing = Some(self.parts.steering.pause());
                let until = Instant::now() + PATIENCE;
                self.becoming = Some(Becoming { program, answer, until });
            }
            Err(error) => self.no_upgrade(answer, &causes::on_one_line(&error)),
        }
    }

    /// Becomes the program; returns only when that fails.
    pub(super) fn become_program(&mut self, Becoming { program, answer, .. }: Becoming) {
        self.note();
        let failure = match Signals::hold_back() {
            Ok(()) => upgrade::become_program(&program),
            Err(error) => error,
        };
        self.go_on(answer, &failure.to_string());
    }

    /// Nothing comes of becoming another program.
    pub(super) fn go_on(&mut self, answer: oneshot::Sender<String>, why: &str) {
        if let Err(error) = Signals::let_through() {
            error!("cannot receive signals again: {error}");
        }
        if let Err(error) = self.parts.steering.unpause() {
            error!("{}", causes::on_one_line(&error));
        }
        self.no_upgrade(answer, why);
    }

    fn no_upgrade(&mut self, answer: oneshot::Sender<String>, why: &str) {
        self.upgrading = false;
        error!("no upgrade: {why}; this program goes on");
        // Whoever asked may have gone.
        let _ = answer.send(why.into());
    }
}

fn name(pid: u32) -> String {
    format!("{PROCESS}{pid}")
}

fn notify_name(pid: u32) -> String {
    format!("notify-{pid}")
}
