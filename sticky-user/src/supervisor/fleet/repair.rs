//! What workers do to what they were lent is undone, and reported within measure.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sticky_contract::SlotId;
use tracing::{debug, error, warn};

use super::{Fleet, Phase};
use crate::causes;
use crate::listener::{Fault, Gone};
use crate::steering::Repair;

/// Faults of a slot that come closer together than this are of one stretch.
const STRETCH: Duration = Duration::from_secs(10);
/// A worker that ends its listener so often in a stretch is ended: nobody is served like this.
const MOST: u32 = 10;

/// The faults that each slot has had of late.
#[derive(Debug, Default)]
pub(super) struct FaultHistory {
    /// When the slot's stretch began, and its faults since.
    faults: HashMap<SlotId, (Instant, u32)>,
    /// The worker whose queue was found short.
    short: HashMap<SlotId, u32>,
    /// What could not be repaired, as it was said.
    failure: Option<String>,
}

impl FaultHistory {
    /// How many faults the slot has had in this stretch.
    fn count(&mut self, slot: SlotId, now: Instant) -> u32 {
        let (last, count) = self.faults.entry(slot).or_insert((now, 0));
        if now.duration_since(*last) > STRETCH {
            *count = 0;
        }
        *last = now;
        *count = count.saturating_add(1);
        *count
    }
}

impl Fleet<'_> {
    /// The listener of a slot was shut down.
    pub(super) fn shut(&mut self, slot: SlotId) {
        self.repair(None, Some(slot));
    }

    /// A worker of a slot has gone: what it has done to the slot's sockets goes with it.
    pub(super) fn left_behind(&mut self, slot: SlotId) {
        let vacant = self.runtimes[slot].workers.is_empty();
        self.repair(Some(Gone { slot, vacant }), None);
    }

    /// The same for slots whose workers went while there was no supervisor.
    pub(super) fn repair_all(&mut self) {
        self.repair(None, None);
        for slot in self.runtimes.count().iter() {
            if self.runtimes[slot].workers.is_empty() {
                self.left_behind(slot);
            }
        }
    }

    /// `shut`: the slot whose listener is watched no longer, since its watch has told.
    pub(super) fn repair(&mut self, gone: Option<Gone>, shut: Option<SlotId>) {
        if self.phase != Phase::Serving {
            return;
        }
        let runtimes = &self.runtimes;
        let takes_redistributed = |slot: SlotId| runtimes[slot].takes_redistributed();
        let repair = self.parts.steering.repair(gone, &takes_redistributed);
        self.changed |= repair.moved;
        self.report_faults(&repair, gone);
        let rebuilt = self.runtimes.count().iter().filter(|_| repair.rebuilt);
        let faulty = repair.faults.iter().map(|&(slot, _)| slot);
        let watched: Vec<SlotId> = rebuilt.chain(faulty).chain(shut).collect();
        for slot in watched {
            self.watch.listener(slot, &*self.parts.steering, &self.events);
        }
        for (name, descriptor) in &repair.renewed {
            self.parts.handover.keep(name, descriptor.as_fd());
        }
        let renewed = gone.filter(|_| !repair.renewed.is_empty()).map(|gone| gone.slot);
        if let Some(slot) = renewed.filter(|&slot| self.is_away(slot)) {
            self.redistribute(slot);
        }
        for slot in repair.unrepairable {
            self.reload_restarts(slot);
            self.kill_all_of(slot);
        }
    }

    fn is_away(&self, slot: SlotId) -> bool {
        self.runtimes[slot].slot.is_away()
    }

    fn report_faults(&mut self, repair: &Repair, gone: Option<Gone>) {
        let now = Instant::now();
        for &(slot, fault) in &repair.faults {
            // Of a worker that has gone, one line: the next one starts after a delay.
            let of_gone = gone.is_some_and(|gone| gone.slot == slot);
            let count = if of_gone { 1 } else { self.fault_history.count(slot, now) };
            match fault {
                Fault::Ended if count == 1 => {
                    warn!(%slot, "the worker had shut its listener down; it listens again");
                }
                Fault::Spoilt if repair.unrepairable.contains(&slot) => {
                    warn!(
                        %slot,
                        "a worker that has gone left something on the listener that cannot be taken \
                         off while its successor has it: the successor is replaced"
                    );
                }
                Fault::Spoilt => {
                    warn!(
                        %slot,
                        "the worker had left something on its listener that cannot be taken off: the \
                         slot has another one, and who waited in its queue is cut off"
                    );
                }
                Fault::Ended => debug!(%slot, count, "the listener was shut down again"),
            }
            if count == MOST && fault == Fault::Ended {
                warn!(%slot, "the worker shuts its listener down again and again and is killed");
            }
            if count >= MOST && fault == Fault::Ended {
                self.kill_all_of(slot);
            }
        }
        if repair.rebuilt {
            warn!(
                "several listeners were shut down: all listen anew, in the order of the slots, and \
                 who waited in the queue of a worker that takes no redistributed connections is cut off"
            );
        }
        let failure = repair.error.as_ref().map(|error| causes::on_one_line(error));
        if let Some(failure) = &failure
            && self.fault_history.failure.as_ref() != Some(failure)
        {
            error!("cannot repair what a worker did to its listener: {failure}; trying again");
        }
        self.fault_history.failure = failure;
    }

    fn kill_all_of(&self, slot: SlotId) {
        for worker in &self.runtimes[slot].workers {
            worker.process.signal(Signal::KILL);
        }
    }

    /// Warns of a worker that has called `listen` with less than it was given.
    pub(super) fn look_at_queue(&mut self, slot: SlotId) {
        let Some(listeners) = self.parts.steering.listeners() else {
            return;
        };
        let worker = self.runtimes[slot].main();
        let (Some(worker), Some(queue)) = (worker, listeners.queue(slot)) else {
            return;
        };
        let (pid, limit, wanted) = (worker.process.pid, queue.limit, listeners.queue_limit());
        if limit < wanted && self.fault_history.short.insert(slot, pid) != Some(pid) {
            warn!(
                %slot,
                pid,
                "the worker has lowered its queue from {wanted} to {limit} connections by calling \
                 listen() again: pass it a backlog of {wanted}; beyond it clients have to try again"
            );
        }
    }
}
