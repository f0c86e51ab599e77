//! How clients spread over the slots.

use std::collections::HashSet;
use std::io::{self, Write};
use std::net::IpAddr;

use serde::Serialize;
use sticky_contract::PerSlot;
use sticky_ebpf::Mapping;

/// The longest bar, in characters.
const BAR: u64 = 40;

/// How many clients each slot would serve.
#[derive(Debug, Serialize)]
pub(super) struct Spread {
    workers: u32,
    /// Lines read.
    addresses: u64,
    /// Different addresses among them.
    distinct: usize,
    /// Addresses at each slot.
    slots: PerSlot<u64>,
    /// Slots with none.
    idle: usize,
    /// The busiest slot, in multiples of an even share: 1 is perfect, the number of workers is
    /// everything at one.
    busiest: f64,
    /// Lines without an address.
    skipped: u64,
}

impl Spread {
    /// Counts the slots of `clients`.
    pub(super) fn count<E>(
        mapping: &Mapping,
        clients: impl Iterator<Item = Result<IpAddr, E>>,
    ) -> Result<Self, E> {
        let workers = mapping.slots().get();
        let mut slots = PerSlot::new(mapping.slots(), |_| 0_u64);
        let mut seen = HashSet::new();
        for client in clients {
            let client = client?;
            seen.insert(client.to_canonical());
            slots[mapping.slot_of(client)] += 1;
        }
        let addresses = slots.values().sum();
        let busiest = slots.values().copied().max().unwrap_or(0);
        Ok(Self {
            workers,
            addresses,
            distinct: seen.len(),
            idle: slots.values().filter(|&&count| count == 0).count(),
            busiest: ratio(busiest * u64::from(workers), addresses),
            slots,
            skipped: 0,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.addresses == 0
    }

    /// So many lines have no address.
    pub(super) fn without(self, skipped: u64) -> Self {
        Self { skipped, ..self }
    }

    pub(super) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { workers, addresses, distinct, busiest, idle, .. } = self;
        writeln!(out, "{addresses} addresses ({distinct} different) on {workers} slots\n")?;
        writeln!(out, "SLOT  ADDRESSES   SHARE")?;
        let most = self.slots.values().copied().max().unwrap_or(0).max(1);
        for (slot, &count) in self.slots.iter() {
            let share = 100.0 * ratio(count, *addresses);
            let bar = (0..count * BAR / most).map(|_| '#').collect::<String>();
            writeln!(out, "{slot:>4}  {count:>9}  {share:>5.1}%  {bar}")?;
        }
        writeln!(
            out,
            "\nThe busiest slot has {busiest:.2} times an even share; \
             {idle} of {workers} slots have none."
        )?;
        if self.skipped > 0 {
            writeln!(out, "{} lines have no address and do not count.", self.skipped)?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers of clients, rounded for people")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use sticky_contract::{SlotCount, SlotId};

    use super::*;

    fn spread(slots: u32, clients: &[&str]) -> Spread {
        let mapping = Mapping::new(SlotCount::new(slots).unwrap());
        let clients = clients.iter().map(|client| Ok::<_, Infallible>(client.parse().unwrap()));
        Spread::count(&mapping, clients).unwrap()
    }

    #[test]
    fn all_at_one_slot() {
        let spread = spread(10, &["10.0.0.10", "10.0.1.10", "10.9.0.10", "10.0.0.10"]);
        assert_eq!((spread.addresses, spread.distinct, spread.idle), (4, 3, 9));
        assert_eq!(spread.slots[SlotId::FIRST], 4);
        assert!((spread.busiest - 10.0).abs() < 1e-9);
    }

    #[test]
    fn even() {
        let spread = spread(2, &["10.0.0.1", "10.0.0.2", "::ffff:10.0.0.3", "10.0.0.4"]);
        assert!(spread.slots.values().eq(&[2, 2]));
        assert!((spread.busiest - 1.0).abs() < 1e-9);
    }

    #[test]
    fn nobody() {
        let spread = spread(3, &[]);
        assert_eq!((spread.addresses, spread.idle), (0, 3));
        assert!(spread.busiest.abs() < 1e-9);
    }
}
