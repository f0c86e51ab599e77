//! From a bucket to a slot.

use core::net::IpAddr;

use crate::key::fmix32;
use crate::{Ipv6Prefix, Key, MAX_BUCKETS, SlotCount, SlotId};

/// The mapping of one server: how many slots it has and which of them serves each bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    slots: SlotCount,
    prefix: Ipv6Prefix,
    // Only the first `slots.buckets()` entries are used.
    table: [SlotId; MAX_BUCKETS],
}

impl Mapping {
    /// Every bucket at its home slot, `bucket mod slots`: the plain digit rule.
    pub fn new(slots: SlotCount) -> Self {
        let mut table = [SlotId::FIRST; MAX_BUCKETS];
        for (bucket, slot) in
            table.iter_mut().zip(slots.iter().cycle()).take(slots.buckets() as usize)
        {
            *bucket = slot;
        }
        Self { slots, prefix: Ipv6Prefix::default(), table }
    }

    /// The same with another length of the IPv6 prefix.
    #[must_use]
    pub fn with_ipv6_prefix(self, prefix: Ipv6Prefix) -> Self {
        Self { prefix, ..self }
    }

    /// The same with `bucket` at another slot. Nothing changes where there is no such bucket or
    /// slot.
    #[must_use]
    pub fn with_bucket_at(mut self, bucket: u32, slot: SlotId) -> Self {
        if bucket < self.slots.buckets()
            && self.slots.has(slot)
            && let Some(entry) = self.table.get_mut(bucket as usize)
        {
            *entry = slot;
        }
        self
    }

    /// The same without some slots: each of their buckets goes to one of the others, by rendezvous
    /// hashing (Thaler and Ravishankar, 1998), so that they spread and no other bucket moves.
    /// Nothing changes when no slot is left.
    ///
    /// ```
    /// use sticky_ebpf::{Mapping, SlotCount};
    ///
    /// let slots = SlotCount::new(4)?;
    /// let (mapping, two) = (Mapping::new(slots), slots.slot(2)?);
    /// let away = mapping.clone().without(|slot| slot == two);
    /// assert!(away.table().all(|slot| slot != two));
    /// assert_eq!(mapping.without(|_| true), Mapping::new(slots));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[must_use]
    pub fn without(self, away: impl Fn(SlotId) -> bool) -> Self {
        let mut mapping = self.clone();
        for (bucket, home) in (0..).zip(self.table()) {
            if away(home) {
                let others = self.slots.iter().filter(|&slot| !away(slot));
                if let Some(slot) = others.max_by_key(|&slot| weight(bucket, slot)) {
                    mapping = mapping.with_bucket_at(bucket, slot);
                }
            }
        }
        mapping
    }

    /// The number of slots.
    pub fn slots(&self) -> SlotCount {
        self.slots
    }

    /// The length of the IPv6 prefix.
    pub fn ipv6_prefix(&self) -> Ipv6Prefix {
        self.prefix
    }

    /// The key of a client.
    pub fn key_of(&self, client: IpAddr) -> Key {
        Key::from_ip(client, self.prefix)
    }

    /// The slot that serves a client.
    pub fn slot_of(&self, client: IpAddr) -> SlotId {
        let bucket = self.key_of(client).bucket(self.slots.buckets());
        bucket.and_then(|bucket| self.slot_of_bucket(bucket)).unwrap_or_default()
    }

    /// The slot that serves a bucket; `None` when there is no such bucket.
    pub fn slot_of_bucket(&self, bucket: u32) -> Option<SlotId> {
        self.table().nth(bucket as usize)
    }

    /// The slot of every bucket, in the order of the buckets.
    pub fn table(&self) -> impl Iterator<Item = SlotId> + '_ {
        let used = self.table.get(..self.slots.buckets() as usize).unwrap_or(&[]);
        used.iter().copied()
    }
}

/// How much `slot` wants `bucket`: any mix of both will do.
fn weight(bucket: u32, slot: SlotId) -> u32 {
    fmix32(fmix32(bucket) ^ slot.get())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_table_adds_nothing_to_the_digit_rule(octets: [u8; 4], slots in 1u32..=256) {
            let mapping = Mapping::new(SlotCount::new(slots).unwrap());
            let digits = Key::from_ipv4(octets).number();
            prop_assert_eq!(u64::from(mapping.slot_of(octets.into()).get()), digits % u64::from(slots));
        }

        #[test]
        fn every_client_has_a_slot(bits: u128, slots in 1u32..=256, length in 0u8..=128) {
            let prefix = Ipv6Prefix::new(length).unwrap();
            let mapping = Mapping::new(SlotCount::new(slots).unwrap()).with_ipv6_prefix(prefix);
            let client = core::net::Ipv6Addr::from_bits(bits);
            prop_assert!(mapping.slot_of(client.into()).get() < slots);
        }
    }

    proptest! {
        #[test]
        fn only_buckets_of_slots_that_are_away_move(
            slots in 1u32..=256, away in prop::collection::vec(any::<bool>(), 256),
        ) {
            let slots = SlotCount::new(slots).unwrap();
            let mapping = Mapping::new(slots);
            let is_away = |slot: SlotId| away[slot.index()];
            let moved = mapping.clone().without(is_away);
            let somebody_is_left = slots.iter().any(|slot| !is_away(slot));
            for (before, after) in mapping.table().zip(moved.table()) {
                if !is_away(before) || !somebody_is_left {
                    prop_assert_eq!(after, before);
                } else {
                    prop_assert!(!is_away(after));
                }
            }
        }
    }

    #[test]
    fn the_buckets_of_a_slot_spread_over_the_others() {
        let slots = SlotCount::new(4).unwrap();
        let mapping = Mapping::new(slots);
        for gone in slots.iter() {
            let moved = mapping.clone().without(|slot| slot == gone);
            for slot in slots.iter().filter(|&slot| slot != gone) {
                let got = moved.table().filter(|&at| at == slot).count() - 16;
                assert!((1..=9).contains(&got), "slot {slot} got {got} of 16 of slot {gone}");
            }
        }
    }

    #[test]
    fn a_bucket_can_be_moved() {
        // Key 9, so bucket 9 of 48.
        let client = "0.0.0.9".parse().unwrap();
        let mapping = Mapping::new(SlotCount::new(3).unwrap());
        let [one, two, three] = [1, 2, 3].map(|number| SlotId::try_from(number).unwrap());
        assert_eq!(mapping.slot_of(client), SlotId::FIRST);
        assert_eq!(mapping.clone().with_bucket_at(9, two).slot_of(client), two);
        assert_eq!(mapping.clone().with_bucket_at(9, three), mapping);
        assert_eq!(mapping.clone().with_bucket_at(48, one), mapping);
    }

    #[test]
    fn buckets_end_where_the_table_ends() {
        let mapping = Mapping::new(SlotCount::new(3).unwrap());
        assert_eq!(mapping.slot_of_bucket(47).map(SlotId::get), Some(2));
        assert_eq!(mapping.slot_of_bucket(48), None);
        assert_eq!(mapping.table().count(), 48);
    }
}
