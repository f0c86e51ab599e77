//! What a mode leaves to the next supervisor.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use serde::{Deserialize, Serialize};
use sticky_contract::{PerSlot, SlotCount, SlotId};

use super::{Error, Plan};
use crate::listener::{self, Listeners};

/// Descriptors by name, for the next supervisor to go on with.
pub type Kept = BTreeMap<String, OwnedFd>;

/// What goes with them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// In mode `cbpf`: the slot at each place of the kernel's group; `null` for a foreign listener.
    pub places: Vec<Option<SlotId>>,
    /// In mode `cbpf`: the slots in the order in which their listeners began to listen.
    #[serde(default)]
    pub listened: Vec<SlotId>,
}

impl Noted {
    /// Whether it is of a server with so many slots.
    pub(crate) fn fits(&self, slots: SlotCount) -> bool {
        self.places.iter().flatten().chain(&self.listened).all(|&slot| slots.has(slot))
    }
}

/// Takes a descriptor that has to be there.
pub(super) fn take(left: &mut Kept, name: &str) -> Result<OwnedFd, Error> {
    left.remove(name).ok_or_else(|| Error::NotLeft { name: name.into() })
}

/// Takes the listeners of all slots.
pub(super) fn listeners_left(plan: &Plan, left: &mut Kept) -> Result<Listeners, Error> {
    let slots = plan.mapping.slots();
    let sockets = PerSlot::try_new(slots, |slot| take(left, &listener::name(slot)))?;
    Ok(Listeners::resume(plan.listen, sockets, plan.backlog))
}
