//! What is looked after without being asked: listeners that are shut down, queues of slots without
//! a worker, programs that join the port, and files that are removed.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use procfs::process::Process;
use sd_notify::NotifyState;
use sticky_contract::SlotId;
use tokio::io::Interest;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::error;

use super::{Fleet, FleetEvent};
use crate::steering::{Lend, Steer};
use sticky_sys::readiness;

/// Between two looks at who listens on the port, and at the files: nothing tells when somebody joins, or
/// removes what is in use.
const LOOK: Duration = Duration::from_secs(10);

/// The tasks that watch.
pub(super) struct Watch {
    listeners: HashMap<SlotId, Task>,
    queues: HashMap<SlotId, Task>,
    interval: Interval,
    /// What was removed cannot be made anew, and that was said.
    pub(super) unrestored: bool,
}

impl Watch {
    pub(super) fn of(lent: &dyn Lend, events: &UnboundedSender<FleetEvent>) -> Self {
        let of_service = sd_notify::watchdog_enabled().map(|watchdog| LOOK.min(watchdog / 2));
        let pause = of_service.unwrap_or(LOOK).max(Duration::from_millis(1));
        let mut interval = interval(pause);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (listeners, queues) = (HashMap::new(), HashMap::new());
        let mut this = Self { listeners, queues, interval, unrestored: false };
        for (slot, _) in lent.listeners().iter().flat_map(|listeners| listeners.iter()) {
            this.listener(slot, lent, events);
        }
        this
    }

    /// Tells once when the listener of `slot` is shut down.
    pub(super) fn listener(
        &mut self,
        slot: SlotId,
        lent: &dyn Lend,
        events: &UnboundedSender<FleetEvent>,
    ) {
        let listener = lent.listeners().map(|listeners| listeners.get(slot));
        if let Some(listener) = listener.map(|listener| listener.try_clone_to_owned()) {
            // Of a listener, the kernel tells two things: that connections wait, which is not asked
            // for here, and its end.
            let task = tell_once(listener, Interest::WRITABLE, FleetEvent::Shut { slot }, events);
            self.listeners.insert(slot, task);
        }
    }

    pub(super) async fn tick(&mut self) {
        self.interval.tick().await;
    }

    /// Tells once when connections wait at `slot`.
    pub(super) fn queue(
        &mut self,
        slot: SlotId,
        steering: &dyn Steer,
        events: &UnboundedSender<FleetEvent>,
    ) {
        let waiting = FleetEvent::Waiting { slot };
        let task = tell_once(steering.waiting(slot), Interest::READABLE, waiting, events);
        self.queues.insert(slot, task);
    }

    pub(super) fn leave_queue(&mut self, slot: SlotId) {
        self.queues.remove(&slot);
    }
}

/// Ends when it is dropped.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Once: the runtime keeps in mind that a socket was shut down, also when it listens again.
fn tell_once(
    socket: io::Result<OwnedFd>,
    interest: Interest,
    what: FleetEvent,
    events: &UnboundedSender<FleetEvent>,
) -> Task {
    let events = events.clone();
    Task(tokio::spawn(async move {
        let watched =
            async { readiness::watch(socket?, interest)?.ready(interest).await.map(drop) };
        match watched.await {
            // Nobody to tell: the supervisor itself is ending.
            Ok(()) => drop(events.send(what)),
            Err(error) => error!("cannot watch a socket of a slot: {error}"),
        }
    }))
}

impl Fleet<'_> {
    /// Once in a while.
    pub(super) fn look_around(&mut self) {
        if sd_notify::watchdog_enabled().is_some() {
            self.parts.handover.tell(&[NotifyState::Watchdog]);
        }
        self.look_at_files();
        self.repair(None, None);
        self.look_for_foreign_listeners();
        for slot in self.runtimes.count().iter() {
            self.look_at_queue(slot);
        }
    }
}

/// What the kernel tells of a process that hangs, in words.
pub(super) fn state_of(pid: u32) -> String {
    let describe = || {
        let process = Process::new(i32::try_from(pid).ok()?).ok()?;
        let stat = process.stat().ok()?;
        let waits = process.wchan().unwrap_or_default();
        let ticks = procfs::ticks_per_second();
        let cpu = (stat.utime + stat.stime) / ticks.max(1);
        let threads = stat.num_threads;
        Some(format!(
            "state {}, waits in {waits:?}, {cpu} s of CPU time, {threads} threads",
            stat.state
        ))
    };
    describe().unwrap_or_else(|| "its state cannot be had".into())
}
