//! The connections on their way to the slots.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use sticky_contract::{PerSlot, SlotCount, SlotId};
use tokio::io::Interest;
use tokio::sync::{mpsc, watch};
use tracing::{error, warn};

use super::kept::take;
use super::pair::Pair;
use super::repair::Repair;
use super::{Error, Kept, SlotCounts};
use crate::listener::{Gone, Queue};
use crate::step::{Step as _, StepError};
use sticky_sys::{fd_passing, readiness};

/// Pause when the user has too many descriptors on their way.
const PAUSE: Duration = Duration::from_millis(10);

/// A socket pair for each slot: connections go in at the near end, and the slot's worker takes
/// them from the far end. Both are kept here, so that what waits in them outlives a worker.
#[derive(Debug)]
pub(super) struct Outboxes {
    outboxes: PerSlot<Outbox>,
    /// How many connections are to fit into a pair.
    share: u16,
}

const STEP: &str = "make a socket pair for a slot";

impl Outboxes {
    /// Needs a tokio runtime.
    pub(super) fn open(slots: SlotCount, backlog: u16) -> Result<Self, Error> {
        let share = share_of_open_files(slots);
        Self::of(slots, backlog, |_| Ok(fd_passing::pair(share).step(STEP)?))
    }

    /// Takes over the pairs that [`Outboxes::keep`] gave.
    pub(super) fn resume(left: &mut Kept, slots: SlotCount, backlog: u16) -> Result<Self, Error> {
        Self::of(slots, backlog, |slot| Ok((take(left, &near(slot))?, take(left, &far(slot))?)))
    }

    fn of(
        slots: SlotCount,
        backlog: u16,
        mut pair: impl FnMut(SlotId) -> Result<(OwnedFd, OwnedFd), Error>,
    ) -> Result<Self, Error> {
        let share = share_of_open_files(slots);
        let outboxes = PerSlot::try_new(slots, |slot| {
            let (near, far) = pair(slot)?;
            Ok::<_, Error>(Outbox::new(Pair::new(near, far), backlog.min(share)))
        })?;
        Ok(Self { outboxes, share })
    }

    pub(super) fn keep(&self, kept: &mut Kept) -> io::Result<()> {
        self.outboxes.iter().try_for_each(|(slot, outbox)| keep(slot, outbox, kept))
    }

    /// Where the last worker of a slot has gone, the next one gets a pair that no worker has held:
    /// what was done to it, such as `shutdown()`, has gone with it. What waits comes along.
    pub(super) fn renew(&self, gone: Option<Gone>, repair: &mut Repair) {
        let Some(Gone { slot, vacant: true }) = gone else {
            return;
        };
        let outbox = self.get(slot);
        let renewed = fd_passing::pair(self.share).and_then(|(near, far)| {
            for connection in outbox.pair.replace(near, far) {
                outbox.pass(connection);
            }
            keep(slot, outbox, &mut repair.renewed)
        });
        if let Err(error) = renewed {
            repair.failed(StepError::new(STEP, error));
        }
    }

    pub(super) fn get(&self, slot: SlotId) -> &Outbox {
        &self.outboxes[slot]
    }

    /// A duplicate of the worker's end.
    pub(super) fn far(&self, slot: SlotId) -> io::Result<OwnedFd> {
        self.get(slot).pair.far()
    }

    /// Passes a connection to a slot.
    pub(super) fn pass(&self, slot: SlotId, connection: OwnedFd) {
        self.get(slot).pass(connection);
    }

    pub(super) fn counts(&self) -> PerSlot<SlotCounts> {
        self.outboxes.map(|_, outbox| outbox.counts())
    }

    /// Waits until every connection is on its way.
    pub(super) async fn flushed(&self) {
        for outbox in self.outboxes.values() {
            outbox.flushed().await;
        }
    }
}

fn keep(slot: SlotId, outbox: &Outbox, kept: &mut Kept) -> io::Result<()> {
    kept.insert(near(slot), outbox.pair.near()?);
    kept.insert(far(slot), outbox.pair.far()?);
    Ok(())
}

fn near(slot: SlotId) -> String {
    format!("near-{slot}")
}

fn far(slot: SlotId) -> String {
    format!("far-{slot}")
}

/// How many connections may be on their way to one slot, and as many wait for that: of all slots
/// together half of the open files that this process may have, so that slots whose workers do not
/// take theirs leave enough for the others.
fn share_of_open_files(slots: SlotCount) -> u16 {
    let open_files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    u16::try_from(open_files / 4 / u64::from(slots.get())).unwrap_or(u16::MAX).max(1)
}

/// Passes connections to one slot. What its socket does not take at once waits here, so that a
/// slow worker holds up nobody else.
#[derive(Debug)]
pub(super) struct Outbox {
    pair: Arc<Pair>,
    overflow: mpsc::Sender<OwnedFd>,
    /// Connections that wait in `overflow` or are being sent from it.
    waiting: Arc<watch::Sender<u32>>,
    limit: u16,
    selected: Arc<AtomicU64>,
    refused: AtomicU64,
}

impl Outbox {
    /// At most `limit` connections wait beside those in the socket.
    pub(super) fn new(pair: Pair, limit: u16) -> Self {
        let pair = Arc::new(pair);
        let (overflow, waiting_connections) = mpsc::channel(usize::from(limit).max(1));
        let waiting = Arc::new(watch::Sender::new(0));
        let selected = Arc::new(AtomicU64::new(0));
        tokio::spawn(flush(
            waiting_connections,
            Arc::clone(&pair),
            Arc::clone(&waiting),
            Arc::clone(&selected),
        ));
        Self { pair, overflow, waiting, limit, selected, refused: AtomicU64::new(0) }
    }

    /// Passes a connection on, now or as soon as the socket takes it, or the next one where its worker
    /// has shut it down. Closes it when too many wait.
    pub(super) fn pass(&self, connection: OwnedFd) {
        if *self.waiting.borrow() == 0 {
            match self.pair.send(&connection) {
                Ok(()) => {
                    self.selected.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Err(error) if fd_passing::is_crowded(&error) || fd_passing::is_shut(&error) => {}
                Err(error) => return self.refuse(&error),
            }
        }
        self.waiting.send_modify(|waiting| *waiting += 1);
        if let Err(error) = self.overflow.try_send(connection) {
            self.waiting.send_modify(|waiting| *waiting -= 1);
            self.refuse(&error);
        }
    }

    fn refuse(&self, why: &dyn std::error::Error) {
        // One line for the first, so that a flood of connections is not a flood of lines.
        if self.refused.fetch_add(1, Ordering::Relaxed) == 0 {
            warn!("a connection was closed since its slot did not take it: {why}");
        }
    }

    fn counts(&self) -> SlotCounts {
        SlotCounts {
            selected: self.selected.load(Ordering::Relaxed),
            empty: 0,
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    pub(super) fn queue(&self) -> Queue {
        Queue { waiting: *self.waiting.borrow(), limit: u32::from(self.limit) }
    }

    /// Waits until nothing waits here.
    async fn flushed(&self) {
        // The sender lives as long as this outbox: there is no error to expect.
        let _ = self.waiting.subscribe().wait_for(|&waiting| waiting == 0).await;
    }
}

/// Sends what waits, in order, whenever the socket takes it.
async fn flush(
    mut connections: mpsc::Receiver<OwnedFd>,
    pair: Arc<Pair>,
    waiting: Arc<watch::Sender<u32>>,
    selected: Arc<AtomicU64>,
) {
    while let Some(connection) = connections.recv().await {
        match send(&pair, &connection).await {
            Ok(()) => {
                selected.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => error!("a connection was lost on its way to its slot: {error}"),
        }
        waiting.send_modify(|waiting| *waiting -= 1);
    }
}

/// Sends as soon as the socket takes it. Watches the socket no longer than that: whenever a worker
/// takes a connection, the runtime would be woken for nothing.
async fn send(pair: &Pair, connection: &OwnedFd) -> io::Result<()> {
    loop {
        // Before it is tried: another pair that comes meanwhile is not missed.
        let renewed = pair.renewed();
        match pair.send(connection) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // A pair that is replaced becomes writable, since what waits in it is taken out.
                let watched = readiness::watch(pair.near()?, Interest::WRITABLE)?;
                tokio::select! {
                    ready = watched.writable() => drop(ready?),
                    () = renewed => {}
                }
            }
            Err(error) if fd_passing::is_shut(&error) => renewed.await,
            Err(error) if fd_passing::is_crowded(&error) => {
                #[expect(clippy::disallowed_methods, reason = "the limit of a user has no event")]
                tokio::time::sleep(PAUSE).await;
            }
            result => return result,
        }
    }
}
