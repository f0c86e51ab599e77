//! The connections that wait for a request, the longest first.

use std::collections::BTreeMap;
use std::collections::btree_map::OccupiedEntry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

/// What a connection waits for. Those that wait for their next request are closed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Awaited {
    /// A request behind others: the connection can be closed without a loss.
    NextRequest,
    /// The first request of the connection, which may be on its way.
    FirstRequest,
}

/// All connections that wait. Clones are the same ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Idle(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    /// In the order in which they came to wait.
    connections: BTreeMap<(Awaited, u64), Waker>,
    next: u64,
    /// As many more are to be closed as soon as they wait.
    wanted: usize,
    /// There is no room yet: a connection that was to be closed, and is not, is replaced by another.
    is_short: bool,
    /// All are.
    closed: bool,
}

/// One connection that waits.
#[derive(Debug)]
pub(crate) struct Wait {
    idle: Idle,
    key: (Awaited, u64),
    is_told: bool,
}

impl Idle {
    /// A connection begins to wait.
    pub(crate) fn enter(&self, awaited: Awaited, cx: &Context<'_>) -> Wait {
        let mut waiting = self.lock();
        let key = (awaited, waiting.next);
        waiting.next += 1;
        let refused = waiting.closed || (awaited == Awaited::NextRequest && waiting.wanted > 0);
        if refused {
            waiting.wanted = waiting.wanted.saturating_sub(1);
            // It looks again, and is told.
            cx.waker().wake_by_ref();
        } else {
            waiting.connections.insert(key, cx.waker().clone());
        }
        drop(waiting);
        Wait { idle: self.clone(), key, is_told: false }
    }

    /// Closes the connection that has waited longest for its next request; where none waits, the next one
    /// that comes to. `false` in that case.
    pub(crate) fn close_oldest(&self) -> bool {
        let mut waiting = self.lock();
        waiting.is_short = true;
        let oldest = waiting.connections.first_entry();
        let oldest = oldest.filter(|oldest| oldest.key().0 == Awaited::NextRequest);
        let Some(waker) = oldest.map(OccupiedEntry::remove) else {
            waiting.wanted += 1;
            return false;
        };
        drop(waiting);
        waker.wake();
        true
    }

    /// There is room again.
    pub(crate) fn close_no_more(&self) {
        let mut waiting = self.lock();
        (waiting.wanted, waiting.is_short) = (0, false);
    }

    /// Closes all connections that wait, and those that come to.
    pub(crate) fn close_all(&self) {
        let mut waiting = self.lock();
        waiting.closed = true;
        let connections = std::mem::take(&mut waiting.connections);
        drop(waiting);
        connections.into_values().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wait {
    /// Whether the connection is to be closed.
    pub(crate) fn is_over(&mut self) -> bool {
        self.is_told = !self.idle.lock().connections.contains_key(&self.key);
        self.is_told
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut waiting = self.idle.lock();
        let is_closed = waiting.connections.remove(&self.key).is_none();
        if !is_closed || self.is_told || waiting.closed || !waiting.is_short {
            return;
        }
        drop(waiting);
        // It was to be closed, and got a request in this moment: another one is.
        self.idle.close_oldest();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(idle: &Idle, awaited: Awaited) -> Wait {
        idle.enter(awaited, &Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_longest_idle_goes_first_and_new_ones_never() {
        let idle = Idle::default();
        let mut new = enter(&idle, Awaited::FirstRequest);
        let [mut first, mut second] = [(); 2].map(|()| enter(&idle, Awaited::NextRequest));
        assert!(idle.close_oldest());
        assert!(first.is_over() && !second.is_over());
        assert!(idle.close_oldest() && second.is_over() && !new.is_over());
        drop((first, second));
        assert!(!idle.close_oldest(), "none is idle");
        assert!(enter(&idle, Awaited::NextRequest).is_over(), "the next one that is");
        assert!(!enter(&idle, Awaited::NextRequest).is_over());
    }

    #[test]
    fn a_connection_that_is_busy_again_is_replaced_by_another() {
        let idle = Idle::default();
        let [first, mut second] = [(); 2].map(|()| enter(&idle, Awaited::NextRequest));
        assert!(idle.close_oldest());
        drop(first);
        assert!(second.is_over());
    }

    #[test]
    fn none_is_closed_any_more_when_there_is_room() {
        let idle = Idle::default();
        let [first, mut second] = [(); 2].map(|()| enter(&idle, Awaited::NextRequest));
        assert!(idle.close_oldest());
        idle.close_no_more();
        drop(first);
        assert!(!second.is_over());
    }

    #[test]
    fn all_are_closed_at_the_end() {
        let idle = Idle::default();
        let mut waits =
            [Awaited::FirstRequest, Awaited::NextRequest].map(|awaited| enter(&idle, awaited));
        idle.close_all();
        assert!(waits.iter_mut().all(Wait::is_over));
        assert!(enter(&idle, Awaited::FirstRequest).is_over());
    }
}
