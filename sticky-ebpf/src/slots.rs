//! How many slots and buckets there are.

use core::fmt;
use core::num::NonZeroU16;
use core::str::FromStr;

/// The largest number of slots.
pub const MAX_SLOTS: u32 = 256;

/// Buckets per slot. With more than one, the clients of a slot that fails can be spread over
/// several others; with 16, the largest table (4096 buckets) still fits a classic BPF program.
pub const BUCKETS_PER_SLOT: u32 = 16;

/// The largest number of buckets.
pub const MAX_BUCKETS: usize = (MAX_SLOTS * BUCKETS_PER_SLOT) as usize;

/// A number of slots, 1 to [`MAX_SLOTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotCount(NonZeroU16);

impl SlotCount {
    /// As many as there can be.
    pub const MAX: Self = match Self::new(MAX_SLOTS) {
        Ok(most) => most,
        Err(SlotCountError) => Self(NonZeroU16::MIN),
    };

    /// Checks the number.
    ///
    /// # Errors
    ///
    /// It is 0, or more than [`MAX_SLOTS`].
    #[expect(clippy::cast_possible_truncation, reason = "compared with MAX_SLOTS first")]
    pub const fn new(count: u32) -> Result<Self, SlotCountError> {
        if count > MAX_SLOTS {
            return Err(SlotCountError);
        }
        match NonZeroU16::new(count as u16) {
            Some(count) => Ok(Self(count)),
            None => Err(SlotCountError),
        }
    }

    /// The number of slots.
    pub const fn get(self) -> u32 {
        self.0.get() as u32
    }

    /// The number of buckets that go with it. It is a multiple of the number of slots, so
    /// `key mod buckets mod slots` is `key mod slots`.
    pub const fn buckets(self) -> u32 {
        self.get() * BUCKETS_PER_SLOT
    }
}

/// One slot.
impl Default for SlotCount {
    fn default() -> Self {
        Self(NonZeroU16::MIN)
    }
}

/// The number is not one from 1 to [`MAX_SLOTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotCountError;

impl fmt::Display for SlotCountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the number of workers is a number from 1 to {MAX_SLOTS}")
    }
}

impl core::error::Error for SlotCountError {}

impl FromStr for SlotCount {
    type Err = SlotCountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map_err(|_| SlotCountError).and_then(Self::new)
    }
}

impl fmt::Display for SlotCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        for wrong in ["0", "257", "65536", "4294967297", "-1", "abc", ""] {
            assert_eq!(wrong.parse::<SlotCount>(), Err(SlotCountError), "{wrong}");
        }
        assert_eq!(SlotCount::MAX.get(), MAX_SLOTS);
        for right in [1, 256] {
            assert_eq!(SlotCount::new(right).unwrap().get(), right);
        }
    }
}
