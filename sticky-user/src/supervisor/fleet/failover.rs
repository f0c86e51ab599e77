//! A slot without a worker: others serve its clients, until it is back.

use sticky_contract::SlotId;
use tracing::{error, info, warn};

use super::super::slot::Action;
use super::Fleet;
use crate::steering::Mode;

impl Fleet<'_> {
    /// A slot is without a worker for too long, or has one again: another table of buckets.
    pub(super) fn remap(&mut self, slot: SlotId, why: Action) {
        let is_away = |slot: SlotId| self.runtimes[slot].slot.is_away();
        let mapping = self.settings.plan.mapping.clone().without(is_away);
        if let Err(error) = self.parts.steering.remap(&mapping) {
            error!(%slot, "cannot change which slots serve its clients: {error}");
            return;
        }
        if why == Action::Return {
            info!(%slot, "the slot serves its clients again");
            self.watch.leave_queue(slot);
            return;
        }
        if self.runtimes.values().all(|runtime| runtime.slot.is_away()) {
            warn!(%slot, "the slot is without a worker, as are all others: its clients wait");
            return;
        }
        warn!(%slot, "the slot is without a worker for too long: others serve its clients");
        self.redistribute(slot);
    }

    /// Another worker is ready, and perhaps the last that redistribution waited for.
    pub(super) fn redistribute_all(&mut self) {
        for slot in self.runtimes.count().iter() {
            if self.runtimes[slot].slot.is_away() {
                self.redistribute(slot);
            }
        }
    }

    /// Passes what waits at a slot that others serve to them, where they can take it.
    pub(super) fn redistribute(&mut self, slot: SlotId) {
        let is_away = self.runtimes[slot].slot.is_away();
        let mut others = self.runtimes.values().filter(|runtime| !runtime.slot.is_away());
        // In this mode redistributed connections come as all do, also to a worker that is not ready yet.
        let as_usual = self.parts.steering.mode() == Mode::FdPassing;
        // A connection would be lost at a worker that is starting, or does not take redistributed ones.
        if !is_away || !others.all(|runtime| as_usual || runtime.takes_redistributed()) {
            return self.watch.leave_queue(slot);
        }
        match self.parts.steering.redistribute(slot) {
            Ok(0) => {}
            Ok(count) => {
                info!(%slot, "{count} connections that waited there are passed to other slots");
            }
            Err(error) => {
                error!(%slot, "cannot pass on what waits there: {error}");
                return self.watch.leave_queue(slot);
            }
        }
        self.watch.queue(slot, &*self.parts.steering, &self.events);
    }
}
