//! Another worker in the place of each, one slot after the other.

use std::collections::VecDeque;
use std::io;

use sd_notify::NotifyState;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::{info, warn};

use super::super::process::Ended;
use super::super::progress::Progress;
use super::super::slot::{Action, Event, WorkerId};
use super::{Fleet, Phase, tell_service_manager};
use crate::causes;

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
    /// Why there is none.
    not_started: Option<String>,
}

impl Fleet<'_> {
    /// Begins to replace all workers; the result tells how it goes on.
    pub(super) fn begin_reload(&mut self) -> Result<UnboundedReceiver<Progress>, String> {
        if self.phase != Phase::Serving {
            return Err("the workers are starting or ending; nothing is reloaded".into());
        }
        if self.reload.is_some() || self.upgrading {
            return Err("a reload or an upgrade is going on; wait until it is over".into());
        }
        info!("reload: the workers are replaced one after the other");
        let (listener, progress) = unbounded_channel();
        let mut left: VecDeque<u32> = self.settings.plan.mapping.slots().iter().collect();
        let slot = left.pop_front().unwrap_or(0);
        self.reload = Some(Reload { slot, left, listener, ended: None, not_started: None });
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            tell_service_manager(&[NotifyState::Reloading, now]);
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
        if let Some(reload) = &mut self.reload
            && reload.slot == slot
            && let Some(why) = reload.not_started.take()
        {
            // Of a slot that had none before; it is tried again, as after a death.
            return self.fail_reload(slot, why);
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

    /// A worker cannot be started.
    pub(super) fn not_started(&mut self, slot: u32, error: &io::Error) {
        if let Some(reload) = self.reload.as_mut().filter(|reload| reload.slot == slot) {
            let why = causes::on_one_line(error);
            reload.not_started = Some(format!("its new worker cannot be started: {why}"));
        }
    }

    fn fail_reload(&mut self, slot: u32, why: String) {
        warn!(slot, "the reload is over: {why}");
        self.end_reload(Progress::Failed { slot, why });
    }

    /// The second of two workers has gone.
    pub(super) fn reload_ended(&mut self, slot: u32, how: Action) {
        let Some(reload) = self.reload.as_mut().filter(|reload| reload.slot == slot) else {
            return;
        };
        if how == Action::Replaced {
            self.report(Progress::Replaced { slot });
            return self.next_slot();
        }
        let how = reload.ended.unwrap_or(Ended::Unknown);
        let why = reload.not_started.take();
        let why = why.unwrap_or_else(|| format!("its new worker {how} before it was ready"));
        self.fail_reload(slot, format!("{why}; the old one goes on"));
    }

    fn next_slot(&mut self) {
        let Some(reload) = &mut self.reload else {
            return;
        };
        if let Some(next) = reload.left.pop_front() {
            reload.slot = next;
            (reload.ended, reload.not_started) = (None, None);
            return self.replace();
        }
        let workers = self.settings.plan.mapping.slots().get();
        info!("reload: all workers have been replaced");
        self.end_reload(Progress::Done { workers });
    }

    fn end_reload(&mut self, result: Progress) {
        self.report(result);
        self.reload = None;
        tell_service_manager(&[NotifyState::Ready]);
    }

    fn report(&self, progress: Progress) {
        if let Some(reload) = &self.reload {
            // Whoever asked may have gone.
            let _ = reload.listener.send(progress);
        }
    }
}
