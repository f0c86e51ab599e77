//! Updates that a store (the keeper, or the service manager) has not taken yet. Of each name only the
//! last update counts, so that they are bounded, however long the store takes nothing.

use std::collections::{BTreeMap, BTreeSet};

/// Descriptors of type `D`, by name, and the note.
#[derive(Debug)]
pub(super) struct PendingUpdates<D> {
    /// The names of the descriptors that the store has.
    stored: BTreeSet<String>,
    /// What the store is to keep, or to forget (`None`).
    descriptors: BTreeMap<String, Option<D>>,
    note: Option<String>,
}

/// What the store is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Update<'a, D> {
    Keep(&'a str, &'a D),
    Forget(&'a str),
    Note(&'a str),
}

impl<D> Default for PendingUpdates<D> {
    fn default() -> Self {
        Self { stored: BTreeSet::new(), descriptors: BTreeMap::new(), note: None }
    }
}

impl<D> PendingUpdates<D> {
    /// The store has descriptors with these names already.
    pub(super) fn assume_stored(&mut self, names: impl IntoIterator<Item = String>) {
        self.stored.extend(names);
    }

    pub(super) fn keep(&mut self, name: &str, descriptor: D) {
        self.descriptors.insert(name.into(), Some(descriptor));
    }

    /// The name that the store has to forget before it is told what is [`next`](Self::next): for a
    /// store that would keep two descriptors of one name.
    pub(super) fn must_forget_first(&self) -> Option<&str> {
        match self.next() {
            Some(Update::Keep(name, _)) => self.stored.get(name).map(String::as_str),
            _ => None,
        }
    }

    /// The store was told to forget what it [`must_forget_first`](Self::must_forget_first), if anything.
    pub(super) fn forgot_first(&mut self) -> bool {
        let name = self.must_forget_first().map(str::to_owned);
        name.is_some_and(|name| self.stored.remove(&name))
    }

    pub(super) fn forget(&mut self, name: &str) {
        if self.stored.contains(name) {
            self.descriptors.insert(name.into(), None);
        } else {
            self.descriptors.remove(name);
        }
    }

    /// Removes everything from the store.
    pub(super) fn forget_all(&mut self) {
        self.note = None;
        self.descriptors = self.stored.iter().map(|name| (name.clone(), None)).collect();
    }

    pub(super) fn note(&mut self, note: String) {
        self.note = Some(note);
    }

    /// Descriptors first: the note tells of them.
    pub(super) fn next(&self) -> Option<Update<'_, D>> {
        match self.descriptors.first_key_value() {
            Some((name, Some(descriptor))) => Some(Update::Keep(name, descriptor)),
            Some((name, None)) => Some(Update::Forget(name)),
            None => self.note.as_deref().map(Update::Note),
        }
    }

    /// The store was told what is [`next`](Self::next).
    pub(super) fn sent(&mut self) {
        match self.descriptors.pop_first() {
            Some((name, Some(_))) => drop(self.stored.insert(name)),
            Some((name, None)) => drop(self.stored.remove(&name)),
            None => self.note = None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Keep(u8, u32),
        Forget(u8),
        Note(u32),
        /// The store takes so many updates.
        Take(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..6_u8, any::<u32>()).prop_map(|(name, what)| Step::Keep(name, what)),
            (0..6_u8).prop_map(Step::Forget),
            any::<u32>().prop_map(Step::Note),
            (0..4_u8).prop_map(Step::Take),
        ]
    }

    #[test]
    fn what_the_store_has_from_an_earlier_time_is_forgotten_and_replaced() {
        let mut pending = PendingUpdates::default();
        pending.assume_stored(["old".into(), "other".into()]);
        pending.forget("old");
        pending.forget("unknown");
        pending.keep("other", 7);
        assert_eq!(
            (pending.must_forget_first(), pending.next()),
            (None, Some(Update::Forget("old")))
        );
        assert!(!pending.forgot_first());
        pending.sent();
        assert_eq!(pending.must_forget_first(), Some("other"));
        assert!(pending.forgot_first() && !pending.forgot_first());
        assert_eq!(pending.next(), Some(Update::Keep("other", &7)));
        pending.sent();
        assert!(pending.is_empty());
    }

    proptest! {
        /// Whenever the store takes updates, it ends with what is wanted, and not more updates wait than
        /// there are names.
        #[test]
        fn what_was_not_taken_is_sent_later(steps in prop::collection::vec(step(), 0..80)) {
            let mut pending = PendingUpdates::default();
            let (mut wanted, mut kept) = (BTreeMap::new(), BTreeMap::new());
            let (mut wanted_note, mut note) = (None, None);
            let mut take = |pending: &mut PendingUpdates<u32>| {
                match pending.next() {
                    Some(Update::Keep(name, &what)) => drop(kept.insert(name.to_owned(), what)),
                    Some(Update::Forget(name)) => drop(kept.remove(name)),
                    Some(Update::Note(text)) => note = Some(text.to_owned()),
                    None => return false,
                }
                pending.sent();
                true
            };
            for step in steps {
                match step {
                    Step::Keep(name, what) => {
                        pending.keep(&name.to_string(), what);
                        wanted.insert(name.to_string(), what);
                    }
                    Step::Forget(name) => {
                        pending.forget(&name.to_string());
                        wanted.remove(&name.to_string());
                    }
                    Step::Note(text) => {
                        pending.note(text.to_string());
                        wanted_note = Some(text.to_string());
                    }
                    Step::Take(many) => {
                        (0..many).take_while(|_| take(&mut pending)).for_each(drop);
                    }
                }
                prop_assert!(pending.descriptors.len() <= 6);
            }
            while take(&mut pending) {}
            prop_assert_eq!(kept, wanted);
            prop_assert_eq!(note, wanted_note);
        }

        #[test]
        fn in_the_end_the_store_is_empty(names in prop::collection::vec(0..6_u8, 0..20), taken in 0..20) {
            let mut pending = PendingUpdates::default();
            let mut kept = BTreeSet::new();
            for name in names {
                pending.keep(&name.to_string(), ());
            }
            for _ in 0..taken {
                if let Some(Update::Keep(name, ())) = pending.next() {
                    kept.insert(name.to_owned());
                    pending.sent();
                }
            }
            pending.forget_all();
            while let Some(Update::Forget(name)) = pending.next() {
                prop_assert!(kept.remove(name));
                pending.sent();
            }
            prop_assert!(pending.is_empty() && kept.is_empty());
        }
    }
}
