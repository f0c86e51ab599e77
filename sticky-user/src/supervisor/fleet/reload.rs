//! Another worker in the place of each, one slot after the other.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use sticky_contract::SlotId;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::{error, info, warn};

use super::super::process::Ended;
use super::super::progress::Progress;
use super::super::slot::{Action, Event, WorkerId};
use super::probation::{LOOK, PATIENCE, Probation};
use super::{Fleet, Phase};
use crate::causes;

/// For how long a new worker is watched before the next slot's is replaced, at most.
const LONGEST_WINDOW: Duration = Duration::from_secs(1);

/// A reload that goes on.
#[derive(Debug)]
pub(super) struct Reload {
    /// The slot whose worker is being replaced.
    slot: SlotId,
    left: VecDeque<SlotId>,
    /// To the client that asked for the reload.
    progress: UnboundedSender<Progress>,
    /// The slot's new worker, until it is ready.
    new: Option<WorkerId>,
    /// The new workers that are ready: all are watched until the reload is over.
    probation: Vec<Probation>,
    /// When to look at them.
    look: Option<Instant>,
}

impl Reload {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.look
    }
}

impl Fleet<'_> {
    /// Begins to replace all workers; the result tells how it goes on.
    pub(super) fn begin_reload(&mut self) -> Result<UnboundedReceiver<Progress>, String> {
        if self.phase != Phase::Serving {
            return Err("the workers are starting or ending; nothing is reloaded".into());
        }
        // A program that is tried meanwhile is not taken then.
        if self.reload.is_some() || self.becoming.is_some() {
            return Err("a reload or an upgrade is going on; wait until it is over".into());
        }
        info!("reload: the workers are replaced one after the other");
        let (progress, steps) = unbounded_channel();
        let mut left: VecDeque<SlotId> = self.runtimes.count().iter().collect();
        let slot = left.pop_front().unwrap_or_default();
        let probation = Vec::new();
        self.reload = Some(Reload { slot, left, progress, new: None, probation, look: None });
        self.report(Progress::Starting { slot });
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            self.parts.handover.tell(&[NotifyState::Reloading, now]);
        }
        self.replace();
        Ok(steps)
    }

    /// Begins with the slot that is next.
    fn replace(&mut self) {
        let Some(Reload { slot, .. }) = self.reload else {
            return;
        };
        // Where the slot has a worker that starts, or two, it is told again when that is over.
        if let Err(error) = self.tell(slot, Event::Replace) {
            warn!(%slot, "{error}");
        }
    }

    /// A worker is about to be started.
    pub(super) fn reload_starts(&mut self, slot: SlotId, id: WorkerId) {
        if let Some(reload) = self.reload.as_mut().filter(|reload| reload.slot == slot) {
            reload.new.get_or_insert(id);
        }
    }

    /// A worker is ready.
    pub(super) fn reload_goes_on(&mut self, slot: SlotId, id: WorkerId) {
        let runtime = &self.runtimes[slot];
        let pid = Some(runtime.pid(id));
        let alone = !runtime.slot.is_replacing();
        let Some(reload) = self.reload.as_mut().filter(|reload| reload.slot == slot) else {
            return;
        };
        if reload.new.take_if(|new| *new == id).is_none() {
            // It was started before this reload.
            if alone {
                self.replace();
            }
            return;
        }
        reload.probation.push(Probation::new(slot, id));
        self.report(Progress::Serving { slot, pid });
        if alone {
            self.probation_begins(slot);
        }
    }

    /// A worker cannot be started.
    pub(super) fn reload_without(&mut self, slot: SlotId, id: WorkerId, error: &io::Error) {
        if self.reload.as_ref().is_some_and(|it| it.slot == slot && it.new == Some(id)) {
            let why = format!("its new worker cannot be started: {}", causes::on_one_line(error));
            self.fail_reload(slot, &why);
        }
    }

    fn fail_reload(&mut self, slot: SlotId, why: &str) {
        let serves = self.runtimes[slot].slot.is_ready();
        let why = format!("{why}{}", if serves { "; the old one goes on" } else { "" });
        warn!(%slot, "the reload is over: {why}");
        self.end_reload(Progress::Failed { slot, why });
    }

    /// The second of two workers has gone.
    pub(super) fn reload_ended(&mut self, slot: SlotId, how: Action) {
        let Some(reload) = self.reload.as_ref().filter(|reload| reload.slot == slot) else {
            return;
        };
        let is_new = reload.new.is_some() || reload.probation.iter().any(|it| it.slot == slot);
        if !is_new {
            // Both were there before this reload.
            self.replace();
        } else if how == Action::Replaced {
            self.probation_begins(slot);
        }
    }

    /// From now on, the new worker alone takes what waits at the slot.
    fn probation_begins(&mut self, slot: SlotId) {
        let now = Instant::now();
        let Some(reload) = &mut self.reload else {
            return;
        };
        if let Some(probation) = reload.probation.iter_mut().find(|it| it.slot == slot) {
            probation.begins(now);
            reload.look = Some(now);
        }
    }

    /// Looks whether the new workers take connections, and goes on when they have for long enough.
    pub(super) fn look_at_new_workers(&mut self, now: Instant) {
        let Some(reload) = self.reload.as_mut().filter(|it| it.look.is_some_and(|at| at <= now))
        else {
            return;
        };
        reload.look = Some(now + LOOK);
        for probation in &mut reload.probation {
            let waiting = self.parts.steering.untaken(probation.slot).unwrap_or(0);
            probation.look(waiting, now);
        }
        let failed = |it: &Probation| it.is_failed(now).map(|waiting| (it.slot, waiting));
        if let Some((slot, waiting)) = reload.probation.iter().find_map(failed) {
            let since = PATIENCE.as_secs();
            let why = format!(
                "takes no connections: {waiting} wait, and none was taken for {since} s; it is left \
                 as it is"
            );
            return self.stop_reload(slot, &why);
        }
        let window = self.settings.backoff.window.min(LONGEST_WINDOW);
        let slot = reload.slot;
        let is_here = reload.probation.last().is_some_and(|it| it.slot == slot);
        if is_here && reload.probation.iter().all(|it| it.is_passed(window, now)) {
            self.report(Progress::Replaced { slot });
            self.next_slot();
        }
    }

    /// A worker has ended, or could not be started.
    pub(super) fn reload_lost(&mut self, slot: SlotId, id: WorkerId, how: Ended) {
        let Some(reload) = &self.reload else {
            return;
        };
        if reload.slot == slot && reload.new == Some(id) {
            return self.fail_reload(slot, &format!("its new worker {how} before it was ready"));
        }
        self.found_unfit(slot, id, &format!("{how} after it had said READY=1"));
    }

    /// The slot's new worker is ended for what another one has done: the next one takes its place.
    pub(super) fn reload_restarts(&mut self, slot: SlotId) {
        if let Some(reload) = &mut self.reload {
            reload.probation.retain(|it| it.slot != slot);
            reload.new.take_if(|_| reload.slot == slot);
        }
    }

    /// A worker on probation has ended, or is being ended.
    pub(super) fn found_unfit(&mut self, slot: SlotId, id: WorkerId, why: &str) {
        let probation = self.reload.as_ref().map(|reload| &reload.probation);
        if probation.is_some_and(|all| all.iter().any(|it| (it.slot, it.id) == (slot, id))) {
            self.stop_reload(slot, &format!("{why}; it is followed by another as usual"));
        }
    }

    fn stop_reload(&mut self, slot: SlotId, why: &str) {
        let left = self.reload.as_ref().map_or(0, |reload| reload.left.len());
        error!(%slot, "the reload is stopped: the slot's new worker {why}; {left} slots are left");
        self.end_reload(Progress::Stopped { slot, why: why.into(), left });
    }

    fn next_slot(&mut self) {
        let Some(reload) = &mut self.reload else {
            return;
        };
        if let Some(next) = reload.left.pop_front() {
            reload.slot = next;
            reload.new = None;
            self.report(Progress::Starting { slot: next });
            return self.replace();
        }
        let workers = self.runtimes.count().get();
        info!("reload: all workers have been replaced");
        self.end_reload(Progress::Done { workers });
    }

    fn end_reload(&mut self, result: Progress) {
        self.report(result);
        self.reload = None;
        self.parts.handover.tell(&[NotifyState::Ready]);
    }

    fn report(&self, progress: Progress) {
        if let Some(reload) = &self.reload {
            // The client may have gone.
            let _ = reload.progress.send(progress);
        }
    }
}
