//! What one that keeps things for the next supervisor has not been told yet. Of each thing only the
//! last counts, so that this is bounded, however long it is not told.

use std::collections::{BTreeMap, BTreeSet};

/// Descriptors of type `D`, by name, and the note.
#[derive(Debug)]
pub(super) struct Untold<D> {
    /// The names that it was told to keep, and not to forget.
    told: BTreeSet<String>,
    /// What it is to keep, or to forget (`None`).
    descriptors: BTreeMap<String, Option<D>>,
    note: Option<String>,
}

/// What it is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<'a, D> {
    Keep(&'a str, &'a D),
    Forget(&'a str),
    Note(&'a str),
}

impl<D> Default for Untold<D> {
    fn default() -> Self {
        Self { told: BTreeSet::new(), descriptors: BTreeMap::new(), note: None }
    }
}

impl<D> Untold<D> {
    /// It keeps what has these names already.
    pub(super) fn know(&mut self, names: impl IntoIterator<Item = String>) {
        self.told.extend(names);
    }

    pub(super) fn keep(&mut self, name: &str, descriptor: D) {
        self.descriptors.insert(name.into(), Some(descriptor));
    }

    /// What it is to forget before it is told what is [`next`](Self::next): what it has of that name.
    /// For one that would keep both.
    pub(super) fn in_the_way(&self) -> Option<&str> {
        match self.next() {
            Some(Next::Keep(name, _)) => self.told.get(name).map(String::as_str),
            _ => None,
        }
    }

    /// It was told to forget what was [`in_the_way`](Self::in_the_way), if something was.
    pub(super) fn made_way(&mut self) -> bool {
        let name = self.in_the_way().map(str::to_owned);
        name.is_some_and(|name| self.told.remove(&name))
    }

    pub(super) fn forget(&mut self, name: &str) {
        if self.told.contains(name) {
            self.descriptors.insert(name.into(), None);
        } else {
            self.descriptors.remove(name);
        }
    }

    /// All that was kept.
    pub(super) fn forget_all(&mut self) {
        self.note = None;
        self.descriptors = self.told.iter().map(|name| (name.clone(), None)).collect();
    }

    pub(super) fn note(&mut self, note: String) {
        self.note = Some(note);
    }

    /// Descriptors first: the note tells of them.
    pub(super) fn next(&self) -> Option<Next<'_, D>> {
        match self.descriptors.first_key_value() {
            Some((name, Some(descriptor))) => Some(Next::Keep(name, descriptor)),
            Some((name, None)) => Some(Next::Forget(name)),
            None => self.note.as_deref().map(Next::Note),
        }
    }

    /// It was told what is [`next`](Self::next).
    pub(super) fn told(&mut self) {
        match self.descriptors.pop_first() {
            Some((name, Some(_))) => drop(self.told.insert(name)),
            Some((name, None)) => drop(self.told.remove(&name)),
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
        /// It takes so much.
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
    fn what_it_keeps_of_an_earlier_time_is_forgotten_and_makes_way() {
        let mut untold = Untold::default();
        untold.know(["old".into(), "other".into()]);
        untold.forget("old");
        untold.forget("unknown");
        untold.keep("other", 7);
        assert_eq!((untold.in_the_way(), untold.next()), (None, Some(Next::Forget("old"))));
        assert!(!untold.made_way());
        untold.told();
        assert_eq!(untold.in_the_way(), Some("other"));
        assert!(untold.made_way() && !untold.made_way());
        assert_eq!(untold.next(), Some(Next::Keep("other", &7)));
        untold.told();
        assert!(untold.is_empty());
    }

    proptest! {
        /// Whenever it takes what it is told, it ends with what is wanted, and not more waits than
        /// there are names.
        #[test]
        fn what_was_not_taken_is_told_later(steps in prop::collection::vec(step(), 0..80)) {
            let mut untold = Untold::default();
            let (mut wanted, mut kept) = (BTreeMap::new(), BTreeMap::new());
            let (mut wanted_note, mut note) = (None, None);
            let mut take = |untold: &mut Untold<u32>| {
                match untold.next() {
                    Some(Next::Keep(name, &what)) => drop(kept.insert(name.to_owned(), what)),
                    Some(Next::Forget(name)) => drop(kept.remove(name)),
                    Some(Next::Note(text)) => note = Some(text.to_owned()),
                    None => return false,
                }
                untold.told();
                true
            };
            for step in steps {
                match step {
                    Step::Keep(name, what) => {
                        untold.keep(&name.to_string(), what);
                        wanted.insert(name.to_string(), what);
                    }
                    Step::Forget(name) => {
                        untold.forget(&name.to_string());
                        wanted.remove(&name.to_string());
                    }
                    Step::Note(text) => {
                        untold.note(text.to_string());
                        wanted_note = Some(text.to_string());
                    }
                    Step::Take(many) => {
                        (0..many).take_while(|_| take(&mut untold)).for_each(drop);
                    }
                }
                prop_assert!(untold.descriptors.len() <= 6);
            }
            while take(&mut untold) {}
            prop_assert_eq!(kept, wanted);
            prop_assert_eq!(note, wanted_note);
        }

        #[test]
        fn in_the_end_nothing_is_kept(names in prop::collection::vec(0..6_u8, 0..20), taken in 0..20) {
            let mut untold = Untold::default();
            let mut kept = BTreeSet::new();
            for name in names {
                untold.keep(&name.to_string(), ());
            }
            for _ in 0..taken {
                if let Some(Next::Keep(name, ())) = untold.next() {
                    kept.insert(name.to_owned());
                    untold.told();
                }
            }
            untold.forget_all();
            while let Some(Next::Forget(name)) = untold.next() {
                prop_assert!(kept.remove(name));
                untold.told();
            }
            prop_assert!(untold.is_empty() && kept.is_empty());
        }
    }
}
