//! Another worker in the place of each, one slot after the other.

use std::collections::VecDeque;

use sd_notify::NotifyState;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::{info, warn};

use super::super::process::Ended;
use super::super::progress::Progress;
use super::super::slot::{Action, Event, WorkerId};
use super::{Fleet, Phase};

/// A reload that goes on.
#[derive(Debug)]
pub(super) struct Reload {
    /// The slot whose worker is being replaced.
    slot: u32,
    left: VecDeque<u32>,
    /// Whoever asked for it.
    listener: UnboundedSender<Progress>,
    /// How the new worker ended, if it did.
    ended: Option<Ended>,
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
        let (listener, progress) = unbounded_channel();
        let mut left: VecDeque<u32> = self.settings.plan.mapping.slots().iter().collect();
        let slot = left.pop_front().unwrap_or(0);
        self.reload = Some(Reload { slot, left, listener, ended: None });
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            self.parts.legacy.tell(&[NotifyState::Reloading, now]);
        }
        self.replace();
        Ok(progress)
    }

    /// Begins with the slot that is next.
    fn replace(&mut self) {
        let Some(Reload { slot, .. }) = self.reload else {
            return;
        };
        self.report(Progress::Starting { slot });
        // A slot without a worker, or with one that starts, gets a new one anyway.
        if let Err(error) = self.tell(slot, Event::Replace) {
            warn!(slot, "{error}");
        }
        let replacing = |seat: &super::Seat| seat.slot.is_replacing();
        if !self.seats.get(slot as usize).is_some_and(replacing) && self.reload.is_some() {
            self.report(Progress::Replaced { slot });
            self.next_slot();
        }
    }

    /// A worker is ready.
    pub(super) fn reload_goes_on(&mut self, slot: u32) {
        if self.reload.as_ref().is_some_and(|reload| reload.slot == slot) {
            let seat = self.seats.get(slot as usize);
            let pid = seat.and_then(|seat| seat.main()).map(|worker| worker.process.pid);
            self.report(Progress::Serving { slot, pid });
        }
    }

    /// How a worker ended, for the report of a reload that fails.
    pub(super) fn last_words(&mut self, slot: u32, id: WorkerId, how: Ended) {
        let other = self.seats.get(slot as usize).and_then(|seat| seat.slot.other());
        if let Some(reload) = &mut self.reload
            && reload.slot == slot
            && other == Some(id)
        {
            reload.ended = Some(how);
        }
    }

    /// The second of two workers has gone.
    pub(super) fn reload_ended(&mut self, slot: u32, how: Action) {
        let Some(reload) = self.reload.as_ref().filter(|reload| reload.slot == slot) else {
            return;
        };
        if how == Action::Replaced {
            self.report(Progress::Replaced { slot });
            return self.next_slot();
        }
        let how = reload.ended.unwrap_or(Ended::Unknown);
        let why = format!("its new worker {how} before it was ready; the old one goes on");
        warn!(slot, "the reload is over: {why}");
        self.end_reload(Progress::Failed { slot, why });
    }

    fn next_slot(&mut self) {
        let Some(reload) = &mut self.reload else {
            return;
        };
        if let Some(next) = reload.left.pop_front() {
            reload.slot = next;
            reload.ended = None;
            return self.replace();
        }
        let workers = self.settings.plan.mapping.slots().get();
        info!("reload: all workers have been replaced");
        self.end_reload(Progress::Done { workers });
    }

    fn end_reload(&mut self, result: Progress) {
        self.report(result);
        self.reload = None;
        self.parts.legacy.tell(&[NotifyState::Ready]);
    }

    fn report(&self, progress: Progress) {
        if let Some(reload) = &self.reload {
            // Whoever asked may have gone.
            let _ = reload.listener.send(progress);
        }
    }
}
