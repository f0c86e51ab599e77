//! How many clients may be connected.

use std::num::NonZero;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{info, warn};

use super::idle::Idle;

/// A stretch is over when there was room for so long: clients that come and go do not write the log.
const CALM: Duration = Duration::from_secs(10);

/// A connection's place among all that are open. Where it is kept, there the connection is counted.
#[derive(Debug)]
pub(crate) struct Place {
    _open: TaskTrackerToken,
    _one_of_max: Option<OwnedSemaphorePermit>,
}

/// How often there was no room for a client, in one stretch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Idle connections that were closed for others.
    pub(crate) closed: u64,
    /// How often new clients had to wait, for no connection was idle.
    pub(crate) waited: u64,
}

/// Gives places.
#[derive(Debug)]
pub(crate) struct Limit {
    open: TaskTracker,
    max: Option<(NonZero<u32>, Arc<Semaphore>)>,
    idle: Idle,
    full: Stretch,
}

impl Limit {
    pub(crate) fn new(open: TaskTracker, max: Option<NonZero<u32>>, idle: Idle) -> Self {
        let places = |max: NonZero<u32>| {
            let places = usize::try_from(max.get()).unwrap_or(usize::MAX);
            (max, Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))))
        };
        Self { open, max: max.map(places), idle, full: Stretch::default() }
    }

    /// A place for the next client. At the limit the oldest idle connection is closed for it; while
    /// there is none, this waits, and so do all that connect.
    pub(crate) async fn place(&mut self) -> Place {
        let Some((max, places)) = &self.max else { return self.beyond() };
        let one_of_max = if let Ok(place) = Arc::clone(places).try_acquire_owned() {
            if let Some((seconds, Counts { closed, waited })) = self.full.is_over() {
                info!(closed, waited, "there is room for clients again, after {seconds} s");
            }
            place
        } else {
            if self.full.begins() {
                warn!(
                    "as many clients are connected as --max-connections allows ({max}): the \
                     connections that are idle longest are closed for new ones, and while none is \
                     idle, new ones wait"
                );
            }
            self.full.count(self.idle.close_oldest());
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(places).acquire_owned().await else { return self.beyond() };
            self.idle.close_no_more();
            place
        };
        Place { _open: self.open.token(), _one_of_max: Some(one_of_max) }
    }

    /// A place beside the limit.
    pub(crate) fn beyond(&self) -> Place {
        Place { _open: self.open.token(), _one_of_max: None }
    }

    /// There is no descriptor for another connection: some that are idle are closed, which counts in `stretch`.
    pub(crate) fn make_room(&self, connections: usize, stretch: &mut Stretch) {
        for at in 0..connections {
            let closed = self.idle.close_oldest();
            if closed || at == 0 {
                stretch.count(closed);
            }
            if !closed {
                break;
            }
        }
        self.idle.close_no_more();
    }
}

/// A time in which there is no room for clients again and again.
#[derive(Debug, Default)]
pub(crate) struct Stretch {
    /// When it began, and when there was no room last.
    times: Option<(Instant, Instant)>,
    counts: Counts,
}

impl Stretch {
    /// There is no room. Whether that is new.
    pub(crate) fn begins(&mut self) -> bool {
        let now = Instant::now();
        let is_new = self.times.is_none();
        self.times.get_or_insert((now, now)).1 = now;
        is_new
    }

    /// An idle connection was closed for a new client, or new clients have to wait.
    fn count(&mut self, closed: bool) {
        let count = if closed { &mut self.counts.closed } else { &mut self.counts.waited };
        *count += 1;
    }

    /// There is room. How many seconds the stretch has lasted, and its counts, if it is over with that.
    pub(crate) fn is_over(&mut self) -> Option<(u64, Counts)> {
        let (since, _) = self.times.take_if(|(_, last)| last.elapsed() >= CALM)?;
        Some((since.elapsed().as_secs(), std::mem::take(&mut self.counts)))
    }
}
