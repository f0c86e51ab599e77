//! What the fleet tells of itself, and what is asked of it.

use sticky_contract::SlotId;
use tracing::error;

use super::super::control::Request;
use super::super::status::{ForeignListenerStatus, SlotStatus, Status};
use super::{Error, Fleet, SlotRuntime};

impl Fleet<'_> {
    /// Answers a request at the control socket. An answer to a client that has gone is dropped.
    pub(super) fn answer(&mut self, request: Request) -> Result<(), Error> {
        match request {
            Request::Status(answer) => {
                let _ = answer.send(self.status());
            }
            Request::Reload(answer) => {
                let _ = answer.send(self.begin_reload());
            }
            Request::Upgrade(program, answer) => self.begin_upgrade(program, answer),
            Request::Stop(answer) => {
                let _ = answer.send(());
                return self.stop("sticky stop");
            }
        }
        Ok(())
    }

    pub(super) fn status(&self) -> Status {
        let steering = &self.parts.steering;
        let counters = steering.counters().unwrap_or_else(|error| {
            error!("cannot read the counters: {error}");
            None
        });
        let slot_status = |(slot, runtime): (SlotId, &SlotRuntime)| {
            let queue = steering.queue(slot);
            let counts = counters.as_ref().and_then(|it| it.slots.get(slot));
            let worker = runtime.main();
            SlotStatus {
                slot,
                state: runtime.slot.name().into(),
                pid: worker.map(|worker| worker.process.pid),
                uptime_seconds: worker.map(|worker| worker.since.elapsed().as_secs_f64()),
                other_pid: runtime.other().map(|worker| worker.process.pid),
                restarts: runtime.slot.restarts(),
                away: runtime.slot.is_away(),
                steered: counts.map(|counts| counts.selected),
                queue: queue.map(|queue| queue.waiting),
                queue_limit: queue.map(|queue| queue.limit),
                bus: worker.and_then(|worker| worker.bus),
            }
        };
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            listen: steering.address(),
            mode: steering.mode(),
            refused: self.refused.clone(),
            workers: self.runtimes.count().get(),
            ipv6_prefix: self.settings.plan.mapping.ipv6_prefix().bits(),
            pid: std::process::id(),
            gone_since: None,
            uptime_seconds: self.since.elapsed().as_secs_f64(),
            takeovers: self.takeovers,
            rolled_back: self.rolled_back.clone(),
            foreign_listeners: self
                .foreign_listeners
                .iter()
                .map(ForeignListenerStatus::of)
                .collect(),
            slots: self.runtimes.iter().map(slot_status).collect(),
            counters,
        }
    }
}
