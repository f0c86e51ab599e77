//! A slot, and the processes that are its workers now.

use std::time::Instant;

use super::super::notify::NotifySocket;
use super::super::process::Process;
use super::super::slot::{Limits, Slot, WorkerId};
use sticky_bus::Health;

/// A slot with its workers: the serving one, and while that is replaced another.
#[derive(Debug)]
pub(super) struct SlotRuntime {
    pub(super) slot: Slot,
    pub(super) workers: Vec<WorkerRuntime>,
}

/// A worker's process, and what it said of itself.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "none of them says anything of another")]
pub(super) struct WorkerRuntime {
    pub(super) id: WorkerId,
    pub(super) process: Process,
    pub(super) notify: NotifySocket,
    pub(super) since: Instant,
    pub(super) ready: bool,
    /// The worker takes connections of slots that have none.
    pub(super) takes_redistributed: bool,
    /// The worker was sent SIGTERM.
    pub(super) told: bool,
    pub(super) bus: Option<Health>,
    /// Other workers no longer find its bus socket, whose name was removed.
    pub(super) is_lost_to_bus: bool,
}

impl WorkerRuntime {
    pub(super) fn new(id: WorkerId, process: Process, notify: NotifySocket) -> Self {
        Self {
            id,
            process,
            notify,
            since: Instant::now(),
            ready: false,
            takes_redistributed: false,
            told: false,
            bus: None,
            is_lost_to_bus: false,
        }
    }
}

impl SlotRuntime {
    pub(super) fn new(limits: Limits) -> Self {
        Self { slot: Slot::new(limits), workers: Vec::new() }
    }

    pub(super) fn worker(&self, id: Option<WorkerId>) -> Option<&WorkerRuntime> {
        self.workers.iter().find(|worker| Some(worker.id) == id)
    }

    pub(super) fn worker_mut(&mut self, id: WorkerId) -> Option<&mut WorkerRuntime> {
        self.workers.iter_mut().find(|worker| worker.id == id)
    }

    /// The worker that serves, or is to.
    pub(super) fn main(&self) -> Option<&WorkerRuntime> {
        self.worker(self.slot.main())
    }

    /// Its successor or predecessor.
    pub(super) fn other(&self) -> Option<&WorkerRuntime> {
        self.worker(self.slot.other())
    }

    pub(super) fn pid(&self, id: WorkerId) -> u32 {
        self.worker(Some(id)).map_or(0, |worker| worker.process.pid)
    }

    /// Whether a worker serves that takes connections of slots that have none.
    pub(super) fn takes_redistributed(&self) -> bool {
        self.slot.is_ready() && self.main().is_some_and(|worker| worker.takes_redistributed)
    }
}
