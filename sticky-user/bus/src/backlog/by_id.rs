//! What is kept for each session that has joined, found by the session's id.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use socketioxide_core::Sid;

#[derive(Debug)]
pub(super) struct ById<T>(RwLock<HashMap<Sid, Weak<T>>>);

impl<T> ById<T> {
    pub(super) fn enter(&self, id: Sid, one: &Arc<T>) {
        self.write().insert(id, Arc::downgrade(one));
    }

    pub(super) fn leave(&self, id: &Sid) {
        self.write().remove(id);
    }

    pub(super) fn all(&self) -> Vec<Arc<T>> {
        self.read().values().filter_map(Weak::upgrade).collect()
    }

    /// Those of these ids; some ids may have none.
    pub(super) fn of(&self, ids: &[Sid]) -> Vec<Arc<T>> {
        let by_id = self.read();
        ids.iter().filter_map(|id| by_id.get(id)?.upgrade()).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<Sid, Weak<T>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Sid, Weak<T>>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for ById<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}
