//! What is looked after without being asked: listeners that are shut down, queues of slots without
//! a worker, and programs that join the port.

use std::collections::{BTreeSet, HashMap};
use std::future;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use procfs::process::Process;
use sd_notify::NotifyState;
use tokio::io::Interest;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{debug, error, warn};

use super::{Fleet, Happened, tell_service_manager};
use crate::listener::Strangers;
use crate::steering::Steering;
use crate::sys::readiness;

/// Between two looks at who listens on the port: nothing tells when somebody joins.
const LOOK: Duration = Duration::from_secs(10);

/// The tasks that watch.
pub(super) struct Watch {
    _listeners: JoinSet<()>,
    queues: HashMap<u32, JoinHandle<()>>,
    interval: Interval,
    strangers: Option<Strangers>,
    known: BTreeSet<u64>,
}

impl Watch {
    pub(super) fn of(steering: &dyn Steering, happen: &UnboundedSender<Happened>) -> Self {
        let mut tasks = JoinSet::new();
        for (slot, listener) in (0..).zip(steering.listeners().iter().flat_map(|it| it.iter())) {
            let happen = happen.clone();
            // Of a listener, the kernel tells two things: that connections wait, which is not asked
            // for here, and its end.
            let ended = move || happen.send(Happened::Shut { slot }).is_ok();
            match listener.try_clone_to_owned() {
                Ok(listener) => drop(tasks.spawn(tell(listener, Interest::WRITABLE, ended))),
                Err(error) => error!(slot, "cannot watch the slot's listener: {error}"),
            }
        }
        let pause = sd_notify::watchdog_enabled().map_or(LOOK, |watchdog| LOOK.min(watchdog / 2));
        let mut interval = interval(pause.max(Duration::from_millis(1)));
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let strangers = steering.listeners().map(Strangers::to);
        Self {
            _listeners: tasks,
            queues: HashMap::new(),
            interval,
            strangers,
            known: BTreeSet::new(),
        }
    }

    pub(super) async fn tick(&mut self) {
        self.interval.tick().await;
    }

    /// Tells whenever connections wait at `slot`, until [`Watch::leave_queue`].
    pub(super) fn queue(
        &mut self,
        slot: u32,
        steering: &dyn Steering,
        happen: &UnboundedSender<Happened>,
    ) {
        let happen = happen.clone();
        match steering.waiting(slot) {
            Ok(socket) => {
                let waiting = move || happen.send(Happened::Waiting { slot }).is_ok();
                let task = tokio::spawn(tell(socket, Interest::READABLE, waiting));
                if let Some(before) = self.queues.insert(slot, task) {
                    before.abort();
                }
            }
            Err(error) => error!(slot, "cannot watch the slot's queue: {error}"),
        }
    }

    pub(super) fn leave_queue(&mut self, slot: u32) {
        if let Some(task) = self.queues.remove(&slot) {
            task.abort();
        }
    }
}

/// Tells each time that `socket` becomes ready, while there is somebody to tell.
async fn tell(socket: OwnedFd, interest: Interest, mut happened: impl FnMut() -> bool) {
    let watched = async {
        let socket = readiness::watch(socket, interest)?;
        loop {
            socket.ready(interest).await?.clear_ready();
            if !happened() {
                return Ok::<_, io::Error>(());
            }
        }
    };
    if let Err(error) = watched.await {
        error!("cannot watch a socket: {error}");
        future::pending::<()>().await;
    }
}

impl Fleet<'_> {
    /// Once in a while.
    pub(super) fn look_around(&mut self) {
        if sd_notify::watchdog_enabled().is_some() {
            tell_service_manager(&[NotifyState::Watchdog]);
        }
        let Some(strangers) = &self.watch.strangers else {
            return;
        };
        match strangers.find() {
            Ok(found) => {
                for stranger in &found {
                    if !self.watch.known.contains(&stranger.inode) {
                        warn!(
                            "{stranger} has joined the port; it gets no connection while the \
                             program that steers is attached: end it"
                        );
                    }
                }
                self.watch.known = found.iter().map(|stranger| stranger.inode).collect();
            }
            Err(error) => debug!("cannot tell who listens on the port: {error}"),
        }
    }

    /// Programs that listen on the port and are none of ours.
    pub(super) fn strangers(&self) -> usize {
        self.watch.known.len()
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
