//! Notifications of workers, taken round robin: a worker that says much keeps no other from being heard.

use std::future;
use std::task::Poll;
use std::time::Instant;

use sticky_contract::{PerSlot, SlotId};

use super::super::notify::Notification;
use super::super::slot::WorkerId;
use super::{Fleet, SlotRuntime};

/// Waits until a worker says something. `from` is where to begin, in the order of the slots.
pub(super) async fn next(
    runtimes: &mut PerSlot<SlotRuntime>,
    from: &mut usize,
) -> (SlotId, WorkerId, Notification) {
    future::poll_fn(|cx| {
        let count = runtimes.values().map(|runtime| runtime.workers.len()).sum::<usize>();
        let first = from.checked_rem(count).unwrap_or(0);
        for range in [first..count, 0..first] {
            let workers = runtimes.iter_mut().flat_map(|(slot, runtime)| {
                runtime.workers.iter_mut().map(move |worker| (slot, worker))
            });
            for (at, (slot, worker)) in workers.enumerate().skip(range.start).take(range.len()) {
                if let Poll::Ready(said) = worker.notify.poll_next(worker.process.pid, cx) {
                    *from = at + 1;
                    return Poll::Ready((slot, worker.id, said));
                }
            }
        }
        Poll::Pending
    })
    .await
}

impl Fleet<'_> {
    /// What workers have said of whom something is due.
    pub(super) fn notifications_of_due_slots(
        &mut self,
        now: Instant,
    ) -> Vec<(SlotId, WorkerId, Notification)> {
        let runtimes = self.runtimes.iter_mut();
        let due =
            runtimes.filter(|(_, runtime)| runtime.slot.deadline().is_some_and(|at| at <= now));
        let workers = due.flat_map(|(slot, runtime)| {
            runtime.workers.iter_mut().map(move |worker| (slot, worker))
        });
        let heard = workers.filter_map(|(slot, worker)| {
            let said = worker.notify.read_pending(worker.process.pid)?;
            Some((slot, worker.id, said))
        });
        heard.collect()
    }
}
