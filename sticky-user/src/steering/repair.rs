//! What came of repairing what workers did to what they were lent.

use sticky_contract::SlotId;

use super::{Error, Kept};
use crate::listener::{self, Fault, Gone, Listeners};
use crate::step::Step as _;

/// What came of [`Lend::repair`](super::Lend::repair).
#[derive(Debug, Default)]
pub struct Repair {
    /// What was wrong, slot by slot.
    pub faults: Vec<(SlotId, Fault)>,
    /// Slots with a listener that cannot be repaired while a worker holds it.
    pub unrepairable: Vec<SlotId>,
    /// Descriptors in the place of others, by the names under which those are kept.
    pub renewed: Kept,
    /// Listeners have changed their places in the kernel's group.
    pub moved: bool,
    /// All listeners have: their places were not known any more.
    pub rebuilt: bool,
    /// What could not be repaired, the first of it.
    pub error: Option<Error>,
}

impl Repair {
    pub(super) fn of(faults: Vec<(SlotId, Fault)>, gone: Option<Gone>) -> Self {
        let unrepairable = |&&(slot, fault): &&(SlotId, Fault)| {
            fault == Fault::Spoilt && !Self::is_vacant(gone, slot)
        };
        let unrepairable = faults.iter().filter(unrepairable).map(|&(slot, _)| slot).collect();
        Self { faults, unrepairable, ..Self::default() }
    }

    /// Whether the last worker of `slot` has gone, so that nobody holds what it was lent.
    pub(super) fn is_vacant(gone: Option<Gone>, slot: SlotId) -> bool {
        gone.is_some_and(|gone| gone.vacant && gone.slot == slot)
    }

    /// Slots whose listener has to listen again, or to be replaced.
    pub(super) fn ended(&self) -> Vec<SlotId> {
        let faults = self.faults.iter().map(|&(slot, _)| slot);
        faults.filter(|slot| !self.unrepairable.contains(slot)).collect()
    }

    pub(super) fn has_fault(&self, slot: SlotId) -> bool {
        self.faults.iter().any(|&(at, _)| at == slot)
    }

    /// Gives a slot another listener.
    pub(super) fn renew(&mut self, listeners: &mut Listeners, slot: SlotId) -> Result<(), Error> {
        listeners.renew(slot)?;
        let kept = listeners.get(slot).try_clone_to_owned();
        let kept = kept.step("duplicate a new listener")?;
        self.renewed.insert(listener::name(slot), kept);
        Ok(())
    }

    pub(super) fn failed(&mut self, error: impl Into<Error>) {
        self.error.get_or_insert(error.into());
    }
}
