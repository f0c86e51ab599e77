//! What may wait to be written to all subscribers together: one bound on this worker's memory.
//!
//! A message weighs its bytes once, however many subscribers it waits for, until the last of them
//! has it; and its place in each queue weighs a little more, until that one has it.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What may wait, in bytes. A larger message gets through when nothing else waits.
pub(super) const BUDGET: usize = 64 << 20;

/// What a message weighs beside its bytes.
const ENVELOPE: usize = 128;

/// What a place in a queue weighs: more than it takes, for 100,000 tiny messages would fit in memory,
/// and yet be far too late.
const PLACE: usize = 512;

#[derive(Debug)]
pub(super) struct Budget(Arc<Semaphore>);

/// A part of the budget, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Reservation(Option<OwnedSemaphorePermit>);

impl Default for Budget {
    fn default() -> Self {
        Self::of(BUDGET)
    }
}

impl Budget {
    /// One of so many bytes.
    pub(super) fn of(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes)))
    }

    /// Reserves for a message of `bytes` in `places` queues; `None` while there is not enough left.
    pub(super) fn try_reserve(&self, bytes: usize, places: usize) -> Option<Reservation> {
        let weight = weight(bytes, places);
        Arc::clone(&self.0)
            .try_acquire_many_owned(weight)
            .ok()
            .map(|permit| Reservation(Some(permit)))
    }

    /// Waits until there is enough left. Senders that wait get it in the order in which they came.
    pub(super) async fn reserve(&self, bytes: usize, places: usize) -> Reservation {
        let weight = weight(bytes, places);
        // Fails only when the semaphore is closed, which nobody does.
        Reservation(Arc::clone(&self.0).acquire_many_owned(weight).await.ok())
    }

    /// One of as many parts as the budget has, whatever it is for.
    pub(super) async fn reserve_one(&self) -> Reservation {
        Reservation(Arc::clone(&self.0).acquire_owned().await.ok())
    }

    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.0.available_permits()
    }
}

impl Reservation {
    /// Of what needs none.
    pub(super) const fn none() -> Self {
        Self(None)
    }

    /// Splits off what so many places in queues weigh.
    pub(super) fn places(&mut self, places: usize) -> Self {
        self.split(PLACE.saturating_mul(places))
    }

    /// Splits off what one of these places weighs; nothing for one that was not reserved.
    pub(super) fn place(&mut self) -> Self {
        self.split(PLACE)
    }

    fn split(&mut self, weight: usize) -> Self {
        Self(self.0.as_mut().and_then(|permit| permit.split(weight)))
    }
}

fn weight(bytes: usize, places: usize) -> u32 {
    let weight = bytes.saturating_add(ENVELOPE).saturating_add(PLACE.saturating_mul(places));
    u32::try_from(weight.min(BUDGET)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_dropped_is_given_back() {
        let budget = Budget::default();
        let mut message = budget.try_reserve(1000, 2).unwrap();
        let mut all = message.places(2);
        let places = [all.place(), all.place(), all.place()];
        assert_eq!(budget.left(), BUDGET - 1000 - ENVELOPE - 2 * PLACE);
        drop((message, all));
        assert_eq!(budget.left(), BUDGET - 2 * PLACE);
        drop(places);
        assert_eq!(budget.left(), BUDGET);
    }

    #[tokio::test]
    async fn the_largest_gets_through_alone() {
        let budget = Budget::default();
        let small = budget.reserve(1, 1).await;
        assert!(budget.try_reserve(usize::MAX, 3).is_none());
        drop(small);
        let large = budget.reserve(usize::MAX, 3).await;
        assert!(budget.try_reserve(0, 0).is_none());
        drop(large);
        assert_eq!(budget.left(), BUDGET);
    }
}
