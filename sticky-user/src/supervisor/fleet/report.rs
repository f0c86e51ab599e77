//! What the fleet tells of itself.

use tracing::error;

use super::super::control::Request;
use super::super::status::{SlotStatus, Status};
use super::{Fleet, Seat};

impl Fleet<'_> {
    pub(super) fn answer(&self, Request::Status(answer): Request) {
        // Whoever asked may have gone.
        let _ = answer.send(self.status());
    }

    pub(super) fn status(&self) -> Status {
        let counters = self.steering.counters().unwrap_or_else(|error| {
            error!("cannot read the counters: {error}");
            None
        });
        let slot_status = |(slot, seat): (u32, &Seat)| {
            let queue = self.steering.queue(slot);
            let counts = counters.as_ref().and_then(|it| it.slots.get(slot as usize));
            SlotStatus {
                slot,
                state: seat.slot.state().name().into(),
                pid: seat.worker.as_ref().map(|(process, _)| process.pid),
                uptime_seconds: seat.worker.as_ref().map(|(_, at)| at.elapsed().as_secs_f64()),
                restarts: seat.slot.restarts(),
                steered: counts.map(|counts| counts.selected),
                queue: queue.map(|queue| queue.waiting),
                queue_limit: queue.map(|queue| queue.limit),
                bus: seat.bus,
            }
        };
        Status {
            listen: self.steering.address(),
            mode: self.steering.mode(),
            refused: self.refused.clone(),
            workers: self.settings.plan.mapping.slots().get(),
            ipv6_prefix: self.settings.plan.mapping.ipv6_prefix().bits(),
            pid: std::process::id(),
            uptime_seconds: self.since.elapsed().as_secs_f64(),
            slots: (0..).zip(&self.seats).map(slot_status).collect(),
            counters,
        }
    }
}
