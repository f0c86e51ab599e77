//! The channels that this worker wants to hear.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use socketioxide_redis::drivers::ChanItem;
use tokio::sync::mpsc::Sender;

/// The channels, and where the messages of each go.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Mutex<HashMap<String, Sender<ChanItem>>>);

impl Subscriptions {
    pub(super) fn insert(&self, channel: String, messages: Sender<ChanItem>) {
        self.lock().insert(channel, messages);
    }

    pub(super) fn remove(&self, channel: &str) {
        self.lock().remove(channel);
    }

    pub(super) fn channels(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// Where the messages of a channel go.
    pub(super) fn sender(&self, channel: &str) -> Option<Sender<ChanItem>> {
        self.lock().get(channel).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Sender<ChanItem>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
