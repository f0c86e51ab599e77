//! What there is one of for each slot.

use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

use crate::{SlotCount, SlotCountError, SlotId};

/// One `T` for each slot of a server: as long as the server has slots, and indexed by [`SlotId`] alone.
///
/// It is made with the number of slots, which [`count`](Self::count) tells from then on. In JSON it
/// is a list in the order of the slots.
///
/// ```
/// use sticky_contract::{PerSlot, SlotCount};
///
/// let slots = SlotCount::new(3)?;
/// let mut restarts = PerSlot::new(slots, |_| 0);
/// restarts[slots.slot(2)?] += 1;
/// let busy: Vec<u32> = restarts.iter().filter(|(_, count)| **count > 0).map(|(slot, _)| slot.get()).collect();
/// assert_eq!(busy, [2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<T>")]
pub struct PerSlot<T>(
    /// Not empty, and not longer than [`SlotCount::MAX`].
    Vec<T>,
);

impl<T> PerSlot<T> {
    /// That of the only slot of a server that has one.
    pub fn one(only: T) -> Self {
        Self(vec![only])
    }

    /// Makes one for each slot.
    pub fn new(slots: SlotCount, each: impl FnMut(SlotId) -> T) -> Self {
        Self(slots.iter().map(each).collect())
    }

    /// Makes one for each slot, or none.
    ///
    /// # Errors
    ///
    /// The first that `each` gives.
    pub fn try_new<E>(
        slots: SlotCount,
        each: impl FnMut(SlotId) -> Result<T, E>,
    ) -> Result<Self, E> {
        slots.iter().map(each).collect::<Result<_, E>>().map(Self)
    }

    /// How many slots there are.
    pub fn count(&self) -> SlotCount {
        let count = u32::try_from(self.0.len()).ok().and_then(|count| SlotCount::new(count).ok());
        // What is made has a length that is right, and keeps it.
        count.unwrap_or_default()
    }

    /// That of `slot`; `None` where the server has no such slot.
    pub fn get(&self, slot: SlotId) -> Option<&T> {
        self.0.get(slot.index())
    }

    /// All of them, in the order of the slots.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (SlotId, &T)> + ExactSizeIterator {
        self.count().iter().zip(&self.0)
    }

    /// All of them, to be changed.
    pub fn iter_mut(
        &mut self,
    ) -> impl DoubleEndedIterator<Item = (SlotId, &mut T)> + ExactSizeIterator {
        self.count().iter().zip(&mut self.0)
    }

    /// All of them, without their slots.
    pub fn values(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    /// All of them, without their slots, to be changed.
    pub fn values_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.0.iter_mut()
    }

    /// What `each` makes of that of each slot.
    pub fn map<U>(&self, mut each: impl FnMut(SlotId, &T) -> U) -> PerSlot<U> {
        PerSlot(self.iter().map(|(slot, it)| each(slot, it)).collect())
    }

    /// What `each` makes of that of each slot, which is given up.
    pub fn into_map<U>(self, mut each: impl FnMut(SlotId, T) -> U) -> PerSlot<U> {
        PerSlot(self.count().iter().zip(self.0).map(|(slot, it)| each(slot, it)).collect())
    }

    /// All of them, in the order of the slots.
    pub fn into_values(self) -> std::vec::IntoIter<T> {
        self.0.into_iter()
    }
}

impl<T> IntoIterator for PerSlot<T> {
    type Item = (SlotId, T);
    type IntoIter = std::vec::IntoIter<(SlotId, T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.count().iter().zip(self.0).collect::<Vec<_>>().into_iter()
    }
}

/// That of a slot that the server has.
///
/// # Panics
///
/// Where it has no such slot. A number that comes from outside is checked when it comes in
/// ([`SlotCount::slot`]); where one may be of another server, [`PerSlot::get`] tells.
impl<T> Index<SlotId> for PerSlot<T> {
    type Output = T;

    fn index(&self, slot: SlotId) -> &T {
        &self.0[slot.index()]
    }
}

/// That of a slot that the server has; panics as [`Index`] does.
impl<T> IndexMut<SlotId> for PerSlot<T> {
    fn index_mut(&mut self, slot: SlotId) -> &mut T {
        &mut self.0[slot.index()]
    }
}

impl<T> TryFrom<Vec<T>> for PerSlot<T> {
    type Error = SlotCountError;

    /// Refuses a list that is as long as no server has slots.
    fn try_from(list: Vec<T>) -> Result<Self, SlotCountError> {
        SlotCount::new(u32::try_from(list.len()).unwrap_or(u32::MAX))?;
        Ok(Self(list))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_count() -> impl Strategy<Value = SlotCount> {
        (1..=SlotCount::MAX.get()).prop_map(|count| SlotCount::new(count).unwrap())
    }

    proptest! {
        /// Each slot has its own, and no other slot has one.
        #[test]
        fn each_slot_has_its_own(count in any_count(), other in any_count()) {
            let mut per_slot = PerSlot::new(count, SlotId::get);
            prop_assert_eq!(per_slot.count(), count);
            prop_assert!(per_slot.iter().all(|(slot, &number)| slot.get() == number));
            prop_assert!(count.iter().eq(per_slot.iter().map(|(slot, _)| slot)));
            for slot in other.iter() {
                prop_assert_eq!(per_slot.get(slot).is_some(), count.has(slot));
            }
            per_slot.iter_mut().for_each(|(slot, number)| *number += slot.get());
            per_slot[last(count)] += 1;
            let doubled = per_slot.map(|slot, number| number - 2 * slot.get());
            prop_assert!(doubled.iter().all(|(slot, &it)| it == u32::from(slot == last(count))));
        }

        /// JSON that is read has as many as some server has slots, and is written as it was.
        #[test]
        fn a_list_is_read_or_refused(list in prop::collection::vec(any::<u8>(), 0..600)) {
            let text = serde_json::to_string(&list).unwrap();
            let read = serde_json::from_str::<PerSlot<u8>>(&text);
            prop_assert_eq!(read.is_ok(), (1..=256).contains(&list.len()));
            if let Ok(read) = read {
                prop_assert_eq!(read.count().get() as usize, list.len());
                prop_assert_eq!(serde_json::to_string(&read).unwrap(), text);
            }
        }

        #[test]
        fn numbers_of_slots_are_read_or_refused(number in prop_oneof![0..400_i64, any::<i64>()]) {
            let read = serde_json::from_str::<SlotId>(&number.to_string());
            prop_assert_eq!(read.is_ok(), (0..256).contains(&number));
            if let Ok(read) = read {
                prop_assert_eq!(serde_json::to_string(&read).unwrap(), number.to_string());
            }
        }
    }

    fn last(count: SlotCount) -> SlotId {
        count.iter().next_back().unwrap()
    }

    #[test]
    fn none_or_all_are_made() {
        let slots = SlotCount::new(3).unwrap();
        let [one, two] = [1, 2].map(|number| slots.slot(number).unwrap());
        assert_eq!(
            PerSlot::try_new(slots, |slot| if slot < one { Ok(()) } else { Err(slot) }),
            Err(one)
        );
        assert!(
            PerSlot::try_new(slots, |slot| if slot <= two { Ok(()) } else { Err(slot) }).is_ok()
        );
    }

    #[test]
    #[should_panic(expected = "index out of bounds")]
    fn a_slot_of_a_larger_server() {
        let per_slot = PerSlot::new(SlotCount::default(), |_| 0);
        let _ = per_slot[SlotCount::MAX.slot(1).unwrap()];
    }
}
