//! What came of mending what workers did to what they were lent.

use super::{Error, Kept};
use crate::listener::{self, Fault, Gone, Listeners};

/// What came of [`Steering::mend`](super::Steering::mend).
#[derive(Debug, Default)]
pub struct Mended {
    /// What was wrong, slot by slot.
    pub faults: Vec<(u32, Fault)>,
    /// Slots where a worker holds what cannot be mended while anybody holds it.
    pub hopeless: Vec<u32>,
    /// Descriptors in the place of others, by the names under which those are kept.
    pub renewed: Kept,
    /// Listeners have changed their places in the kernel's group.
    pub moved: bool,
    /// All of them have: it was not known any more who is where.
    pub rebuilt: bool,
    /// What could not be mended, the first of it.
    pub error: Option<Error>,
}

impl Mended {
    pub(super) fn of(faults: Vec<(u32, Fault)>, gone: Option<Gone>) -> Self {
        let hopeless = |&&(slot, fault): &&(u32, Fault)| {
            fault == Fault::Spoilt && !Self::is_vacant(gone, slot)
        };
        let hopeless = faults.iter().filter(hopeless).map(|&(slot, _)| slot).collect();
        Self { faults, hopeless, ..Self::default() }
    }

    /// Whether the last worker of `slot` has gone, so that nobody holds what it was lent.
    pub(super) fn is_vacant(gone: Option<Gone>, slot: u32) -> bool {
        gone.is_some_and(|gone| gone.vacant && gone.slot == slot)
    }

    /// Slots whose listener does not listen, or has to be another one.
    pub(super) fn ended(&self) -> Vec<u32> {
        let faults = self.faults.iter().map(|&(slot, _)| slot);
        faults.filter(|slot| !self.hopeless.contains(slot)).collect()
    }

    pub(super) fn has_fault(&self, slot: u32) -> bool {
        self.faults.iter().any(|&(at, _)| at == slot)
    }

    /// Gives a slot another listener.
    pub(super) fn renew(&mut self, listeners: &mut Listeners, slot: u32) -> Result<(), Error> {
        listeners.renew(slot)?;
        if let Some(listener) = listeners.get(slot) {
            let kept = listener.try_clone_to_owned();
            let kept = kept.map_err(Error::system("duplicate a new listener"))?;
            self.renewed.insert(listener::name(slot), kept);
        }
        Ok(())
    }

    pub(super) fn failed(&mut self, error: impl Into<Error>) {
        self.error.get_or_insert(error.into());
    }
}
