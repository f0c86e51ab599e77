//! What may wait to be written to all subscribers together: one bound on this worker's memory.
//!
//! A message weighs its bytes once, however many subscribers it waits for, until the last of them
//! has it; and its place in each queue weighs a little more, until that one has it.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What may wait, in bytes. A larger message gets through when nothing else waits.
pub(super) const ROOM: usize = 64 << 20;

/// What a message weighs beside its bytes.
const ENVELOPE: usize = 128;

/// What a place in a queue weighs: more than it takes, for 100,000 tiny messages would fit in memory,
/// and yet be far too late.
const PLACE: usize = 512;

#[derive(Debug)]
pub(super) struct Budget(Arc<Semaphore>);

/// A part of the budget, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Room(Option<OwnedSemaphorePermit>);

impl Default for Budget {
    fn default() -> Self {
        Self::of(ROOM)
    }
}

impl Budget {
    /// One of so many bytes.
    pub(super) fn of(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes)))
    }

    /// Room for a message of `bytes` in `places` queues; `None` while there is not enough.
    pub(super) fn try_take(&self, bytes: usize, places: usize) -> Option<Room> {
        let weight = weight(bytes, places);
        Arc::clone(&self.0).try_acquire_many_owned(weight).ok().map(|room| Room(Some(room)))
    }

    /// Waits for it. Those who wait get it in the order in which they came.
    pub(super) async fn take(&self, bytes: usize, places: usize) -> Room {
        let weight = weight(bytes, places);
        // Fails only when the semaphore is closed, which nobody does.
        Room(Arc::clone(&self.0).acquire_many_owned(weight).await.ok())
    }

    /// Room that is one of so few, whatever needs it weighs.
    pub(super) async fn take_one(&self) -> Room {
        Room(Arc::clone(&self.0).acquire_owned().await.ok())
    }

    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.0.available_permits()
    }
}

impl Room {
    /// Of what needs none.
    pub(super) const fn none() -> Self {
        Self(None)
    }

    /// Splits the room of one place off; nothing for one that was not reckoned with.
    pub(super) fn place(&mut self) -> Self {
        Self(self.0.as_mut().and_then(|room| room.split(PLACE)))
    }
}

fn weight(bytes: usize, places: usize) -> u32 {
    let weight = bytes.saturating_add(ENVELOPE).saturating_add(PLACE.saturating_mul(places));
    u32::try_from(weight.min(ROOM)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_dropped_is_given_back() {
        let budget = Budget::default();
        let mut room = budget.try_take(1000, 2).unwrap();
        let places = [room.place(), room.place()];
        assert_eq!(budget.left(), ROOM - 1000 - ENVELOPE - 2 * PLACE);
        drop(room);
        assert_eq!(budget.left(), ROOM - 2 * PLACE);
        drop(places);
        assert_eq!(budget.left(), ROOM);
    }

    #[tokio::test]
    async fn the_largest_gets_through_alone() {
        let budget = Budget::default();
        let small = budget.take(1, 1).await;
        assert!(budget.try_take(usize::MAX, 3).is_none());
        drop(small);
        let large = budget.take(usize::MAX, 3).await;
        assert!(budget.try_take(0, 0).is_none());
        drop(large);
        assert_eq!(budget.left(), ROOM);
    }
}
