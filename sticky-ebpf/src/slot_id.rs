//! Which slot.

use core::fmt;
use core::str::FromStr;

#[cfg(doc)]
use crate::MAX_SLOTS;
use crate::SlotCount;

/// The number of a slot, from 0 to [`MAX_SLOTS`] - 1.
///
/// Whether a server has such a slot depends on how many it has: [`SlotCount::slot`] checks a number
/// that comes from outside, [`SlotCount::iter`] gives those that there are.
///
/// ```
/// use sticky_ebpf::{SlotCount, SlotId};
///
/// let slots = SlotCount::new(4)?;
/// assert_eq!(slots.slot(3)?.get(), 3);
/// assert_eq!(slots.slot(4).unwrap_err().to_string(), "there is no slot 4: slots are numbered from 0 to 3");
/// assert_eq!(slots.iter().next(), Some(SlotId::FIRST));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(u8);

impl SlotId {
    /// The slot that every server has.
    pub const FIRST: Self = Self(0);

    /// Its number.
    pub const fn get(self) -> u32 {
        self.0 as u32
    }

    /// Its place in a list that has one entry for each slot.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl From<SlotId> for u8 {
    fn from(slot: SlotId) -> Self {
        slot.0
    }
}

impl From<SlotId> for u32 {
    fn from(slot: SlotId) -> Self {
        slot.get()
    }
}

impl TryFrom<u32> for SlotId {
    type Error = SlotIdError;

    /// Refuses a number that no server can have.
    fn try_from(number: u32) -> Result<Self, SlotIdError> {
        SlotCount::MAX.slot(number)
    }
}

impl FromStr for SlotId {
    type Err = SlotIdError;

    /// Refuses a number that no server can have.
    fn from_str(text: &str) -> Result<Self, SlotIdError> {
        SlotCount::MAX.parse_slot(text)
    }
}

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl SlotCount {
    /// The slot with this number.
    ///
    /// # Errors
    ///
    /// A server with so many slots has none with this number.
    pub fn slot(self, number: u32) -> Result<SlotId, SlotIdError> {
        let wrong = SlotIdError { number: Some(number), slots: self };
        let slot = u8::try_from(number).map(SlotId).map_err(|_| wrong)?;
        if self.has(slot) { Ok(slot) } else { Err(wrong) }
    }

    /// The slot whose number is this text.
    ///
    /// # Errors
    ///
    /// The text is no number, or a server with so many slots has none with this number.
    pub fn parse_slot(self, text: &str) -> Result<SlotId, SlotIdError> {
        let number = text.parse().map_err(|_| SlotIdError { number: None, slots: self })?;
        self.slot(number)
    }

    /// Whether a server with so many slots has this one.
    pub const fn has(self, slot: SlotId) -> bool {
        slot.get() < self.get()
    }

    /// All slots, in order.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = SlotId> + ExactSizeIterator + Clone {
        (0..self.get() as usize).map(|number| SlotId(u8::try_from(number).unwrap_or(u8::MAX)))
    }
}

/// There is no such slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotIdError {
    /// `None`: the text was no number.
    number: Option<u32>,
    slots: SlotCount,
}

impl fmt::Display for SlotIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "there is no slot {number}: ")?,
            None => f.write_str("this is not the number of a slot: ")?,
        }
        write!(f, "slots are numbered from 0 to {}", self.slots.get() - 1)
    }
}

impl core::error::Error for SlotIdError {}

#[cfg(feature = "serde")]
mod json {
    use serde::de::{Deserialize, Deserializer, Error as _};
    use serde::ser::{Serialize, Serializer};

    use super::SlotId;

    impl Serialize for SlotId {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_u32(self.get())
        }
    }

    impl<'de> Deserialize<'de> for SlotId {
        /// Refuses a number that no server can have.
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            Self::try_from(u32::deserialize(deserializer)?).map_err(D::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::ToString;

    use proptest::prelude::*;

    use super::*;
    use crate::MAX_SLOTS;

    fn any_count() -> impl Strategy<Value = SlotCount> {
        (1..=MAX_SLOTS).prop_map(|count| SlotCount::new(count).unwrap())
    }

    proptest! {
        /// A number is a slot's exactly where it is below the count, as a number and as text.
        #[test]
        fn a_slot_is_below_the_count(count in any_count(), number in prop_oneof![0..300_u32, any::<u32>()]) {
            let slot = count.slot(number);
            prop_assert_eq!(slot.is_ok(), number < count.get());
            prop_assert_eq!(slot, count.parse_slot(&number.to_string()));
            if let Ok(slot) = slot {
                prop_assert_eq!((slot.get(), slot.index()), (number, number as usize));
                prop_assert_eq!(slot.to_string().parse(), Ok(slot));
            }
        }

        #[test]
        fn all_in_order(count in any_count()) {
            let numbers = count.iter().map(SlotId::get);
            prop_assert!(numbers.eq(0..count.get()));
            prop_assert_eq!(count.iter().len(), count.get() as usize);
        }
    }

    #[test]
    fn errors_say_what_there_is() {
        let slots = SlotCount::new(3).unwrap();
        let text = |text: &str| slots.parse_slot(text).unwrap_err().to_string();
        assert_eq!(text("3"), "there is no slot 3: slots are numbered from 0 to 2");
        for wrong in ["", "-1", "x", "1.0", " 1", "4294967296"] {
            assert_eq!(
                text(wrong),
                "this is not the number of a slot: slots are numbered from 0 to 2"
            );
        }
        let most = SlotId::try_from(256).unwrap_err().to_string();
        assert_eq!(most, "there is no slot 256: slots are numbered from 0 to 255");
        assert!(SlotId::try_from(255).is_ok());
    }
}
