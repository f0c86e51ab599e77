//! What is looked after without being asked: listeners that are shut down, queues of slots without
//! a worker, programs that join the port, and files that are removed.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use procfs::process::Process;
use sd_notify::NotifyState;
use tokio::io::Interest;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::error;

use super::{Fleet, Happened};
use crate::steering::Steering;
use sticky_sys::readiness;

/// Between two looks at who listens on the port, and at the files: nothing tells when somebody joins, or
/// removes what is in use.
const LOOK: Duration = Duration::from_secs(10);

/// The tasks that watch.
pub(super) struct Watch {
    listeners: HashMap<u32, Task>,
    queues: HashMap<u32, Task>,
    interval: Interval,
    /// What was removed cannot be made anew, and that was said.
    pub(super) unrestored: bool,
}

impl Watch {
    pub(super) fn of(steering: &dyn Steering, happen: &UnboundedSender<Happened>) -> Self {
        let of_service = sd_notify::watchdog_enabled().map(|watchdog| LOOK.min(watchdog / 2));
        let pause = of_service.unwrap_or(LOOK).max(Duration::from_millis(1));
        let mut interval = interval(pause);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (listeners, queues) = (HashMap::new(), HashMap::new());
        let mut this = Self { listeners, queues, interval, unrestored: false };
        for slot in (0..).take(steering.listeners().iter().flat_map(|it| it.iter()).count()) {
            this.listener(slot, steering, happen);
        }
        this
    }

    /// Tells once when the listener of `slot` is shut down.
    pub(super) fn listener(
        &mut self,
        slot: u32,
        steering: &dyn Steering,
        happen: &UnboundedSender<Happened>,
    ) {
        let listener = steering.listeners().and_then(|listeners| listeners.get(slot));
        if let Some(listener) = listener.map(|listener| listener.try_clone_to_owned()) {
            // Of a listener, the kernel tells two things: that connections wait, which is not asked
            // for here, and its end.
            let task = tell_once(listener, Interest::WRITABLE, Happened::Shut { slot }, happen);
            self.listeners.insert(slot, task);
        }
    }

    pub(super) async fn tick(&mut self) {
        self.interval.tick().await;
    }

    /// Tells once when connections wait at `slot`.
    pub(super) fn queue(
        &mut self,
        slot: u32,
        steering: &dyn Steering,
        happen: &UnboundedSender<Happened>,
    ) {
        let waiting = Happened::Waiting { slot };
        let task = tell_once(steering.waiting(slot), Interest::READABLE, waiting, happen);
        self.queues.insert(slot, task);
    }

    pub(super) fn leave_queue(&mut self, slot: u32) {
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
    what: Happened,
    happen: &UnboundedSender<Happened>,
) -> Task {
    let happen = happen.clone();
    Task(tokio::spawn(async move {
        let watched =
            async { readiness::watch(socket?, interest)?.ready(interest).await.map(drop) };
        match watched.await {
            // Nobody to tell: the supervisor itself is ending.
            Ok(()) => drop(happen.send(what)),
            Err(error) => error!("cannot watch a socket of a slot: {error}"),
        }
    }))
}

impl Fleet<'_> {
    /// Once in a while.
    pub(super) fn look_around(&mut self) {
        if sd_notify::watchdog_enabled().is_some() {
            self.parts.legacy.tell(&[NotifyState::Watchdog]);
        }
        self.look_at_files();
        self.mend(None, None);
        self.look_for_strangers();
        for slot in self.settings.plan.mapping.slots().iter() {
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
