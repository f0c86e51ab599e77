//! The kernel's group of listeners, as far as it can be followed from outside.
//!
//! A classic program names a listener by its place in the group. A listener that begins to listen takes
//! the place behind the last; a listener that stops leaves its place to the last.

use sticky_contract::SlotId;

use crate::listener::Order;

/// Which listener is at which place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    /// The slot at each place; `None` for a foreign listener.
    places: Vec<Option<SlotId>>,
    /// The slots in the order in which their listeners began to listen; empty where the kernel does
    /// not tell it.
    listened: Vec<SlotId>,
}

impl Group {
    /// Listeners that begin one after the other, behind those of `foreign` listeners.
    pub(super) fn new(slots: impl Iterator<Item = SlotId>, foreign: usize) -> Self {
        let places = std::iter::repeat_n(None, foreign).chain(slots.map(Some)).collect();
        Self { places, listened: Vec::new() }
    }

    /// The same, with the order of listening, if `order`, which the kernel tells, is as expected.
    pub(super) fn told(mut self, order: Option<&Order>) -> Self {
        self.listened = self.places.iter().copied().flatten().collect();
        if order.is_none_or(|order| order.slots != self.listened) {
            self.listened.clear();
        }
        self
    }

    /// What an earlier supervisor noted.
    pub(super) fn resume(places: Vec<Option<SlotId>>, listened: Vec<SlotId>) -> Self {
        Self { places, listened }
    }

    pub(super) fn places(&self) -> &[Option<SlotId>] {
        &self.places
    }

    pub(super) fn listened(&self) -> &[SlotId] {
        &self.listened
    }

    /// Slots whose listeners have left their places: the `ended`, and listeners that left and came back.
    /// `None` where the places cannot be known any more.
    ///
    /// A listener that was the last, or behind which all others have ended, looks as if it had never left
    /// when it begins again. That matters only where another one left in the same moment; to be sure of
    /// it, all would have to listen anew whenever one has ended, which cuts off the clients that wait.
    pub(super) fn left(&self, ended: &[SlotId], order: Option<&Order>) -> Option<Vec<SlotId>> {
        let mut left: Vec<SlotId> = ended.to_vec();
        left.extend(order.map_or_else(Vec::new, |order| self.came_back(ended, order)));
        let leaving = left.iter().filter(|&&slot| self.places.contains(&Some(slot))).count();
        let others = order.map_or(self.foreign(), |order| order.others);
        // Of two that left, either may have been the first. A foreign listener moves like all others.
        let undisturbed = leaving == 0 && (self.foreign() == 0 || self.foreign() == others);
        let known = leaving == 1 && self.foreign() == 0 && others == 0;
        (undisturbed || known).then_some(left)
    }

    /// Slots whose listeners left and came back: they stand behind the others, and no longer where they stood.
    fn came_back(&self, ended: &[SlotId], order: &Order) -> Vec<SlotId> {
        if self.listened.is_empty() {
            return Vec::new();
        }
        let mut found = order.slots.iter().filter(|slot| !ended.contains(slot)).peekable();
        let expected = self.listened.iter().filter(|slot| !ended.contains(slot));
        expected.filter(|slot| found.next_if_eq(slot).is_none()).copied().collect()
    }

    fn foreign(&self) -> usize {
        self.places.iter().filter(|slot| slot.is_none()).count()
    }

    /// A listener stopped listening.
    pub(super) fn leave(&mut self, slot: SlotId) {
        if let Some(place) = self.places.iter().position(|&at| at == Some(slot)) {
            self.places.swap_remove(place);
        }
    }

    /// A listener began to listen.
    pub(super) fn join(&mut self, slot: SlotId) {
        self.places.push(Some(slot));
        if let Some(at) = self.listened.iter().position(|&listened| listened == slot) {
            self.listened.remove(at);
            self.listened.push(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sticky_contract::SlotCount;

    use super::*;

    fn slots() -> impl Iterator<Item = SlotId> {
        SlotCount::new(6).unwrap().iter()
    }

    fn slot(number: u32) -> SlotId {
        SlotId::try_from(number).unwrap()
    }

    /// The kernel's side.
    #[derive(Clone, Debug)]
    struct Kernel {
        group: Vec<Option<SlotId>>,
        list: Vec<Option<SlotId>>,
    }

    impl Kernel {
        fn new() -> Self {
            Self { group: slots().map(Some).collect(), list: slots().map(Some).collect() }
        }

        fn ends(&mut self, slot: Option<SlotId>) {
            if let Some(place) = self.group.iter().position(|&at| at == slot) {
                self.group.swap_remove(place);
                self.list.retain(|&at| at != slot);
            }
        }

        fn begins(&mut self, slot: Option<SlotId>) {
            if !self.group.contains(&slot) {
                self.group.push(slot);
                self.list.push(slot);
            }
        }

        fn order(&self) -> Order {
            Order { slots: self.list.iter().copied().flatten().collect(), others: self.others() }
        }

        fn others(&self) -> usize {
            usize::from(self.group.contains(&None))
        }
    }

    /// As `Cbpf::repair` does it.
    fn repair(group: &mut Group, kernel: &mut Kernel) {
        let is_there = |&slot: &SlotId| kernel.group.contains(&Some(slot));
        let ended: Vec<SlotId> = slots().filter(|slot| !is_there(slot)).collect();
        if let Some(left) = group.left(&ended, Some(&kernel.order())) {
            for slot in left {
                group.leave(slot);
                kernel.begins(Some(slot));
                group.join(slot);
            }
        } else {
            slots().for_each(|slot| kernel.ends(Some(slot)));
            slots().for_each(|slot| kernel.begins(Some(slot)));
            *group = Group::new(slots(), kernel.others()).told(Some(&kernel.order()));
        }
    }

    #[test]
    fn two_that_ended_are_not_guessed() {
        let mut kernel = Kernel::new();
        let group = Group::new(slots(), 0).told(Some(&kernel.order()));
        kernel.ends(Some(slot(4)));
        kernel.ends(Some(slot(1)));
        assert_eq!(group.left(&[slot(1), slot(4)], Some(&kernel.order())), None);
    }

    proptest! {
        /// Whatever workers do between two looks, afterwards each place is known; also where a foreign listener
        /// has come or gone before. But for one thing: a listener is not seen to leave and come back where
        /// it was the last, or all behind it have ended, so that it stands where it stood.
        #[test]
        fn every_place_is_known(
            rounds in prop::collection::vec(
                (any::<Option<bool>>(), prop::collection::vec((0..6_u32, any::<bool>()), 0..5)),
                0..6,
            ),
        ) {
            let mut kernel = Kernel::new();
            let mut group = Group::new(slots(), 0).told(Some(&kernel.order()));
            let change = |kernel: &mut Kernel, slot, begins| {
                if begins { kernel.begins(slot) } else { kernel.ends(slot) }
            };
            for (foreign, events) in rounds {
                if let Some(begins) = foreign {
                    change(&mut kernel, None, begins);
                }
                let before = kernel.list.clone();
                for (number, begins) in events {
                    let slot = Some(slot(number));
                    let mut behind = before.iter().rev().take_while(|&&at| at != slot);
                    if begins && behind.all(|at| at.is_none() || !kernel.list.contains(at)) {
                        continue;
                    }
                    change(&mut kernel, slot, begins);
                }
                repair(&mut group, &mut kernel);
                for slot in slots() {
                    let place = |places: &[Option<SlotId>]| {
                        places.iter().position(|&at| at == Some(slot))
                    };
                    prop_assert_eq!(place(group.places()), place(&kernel.group), "slot {}", slot);
                }
            }
        }
    }
}
