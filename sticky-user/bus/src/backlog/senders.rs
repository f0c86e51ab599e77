//! Who sends next: broadcasts that wait keep their order.

use std::array;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::account::Backlog;

/// Queues of broadcasts that are of no client.
const LANES: usize = 64;

/// The right to broadcast, held until that is done.
#[derive(Debug)]
pub struct Turn {
    _guard: OwnedMutexGuard<()>,
    _sender: Option<Sending>,
}

/// A broadcast of a client that is not done: the client is not heard.
#[derive(Debug)]
struct Sending(Arc<Backlog>);

/// Broadcasts that are of no client: those to the same rooms are sent one after the other.
#[derive(Debug)]
pub(super) struct Lanes([Arc<Mutex<()>>; LANES]);

impl Turn {
    pub(super) async fn of(sender: Arc<Backlog>) -> Self {
        let turn = Arc::clone(&sender.turn);
        let sending = Sending::by(sender);
        Self { _guard: turn.lock_owned().await, _sender: Some(sending) }
    }
}

impl Sending {
    fn by(sender: Arc<Backlog>) -> Self {
        sender.sending.fetch_add(1, Ordering::Relaxed);
        Self(sender)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if self.0.sending.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.sent();
        }
    }
}

impl Lanes {
    pub(super) async fn turn(&self, rooms: &impl Hash) -> Turn {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(rooms);
        // Where it goes is all that matters: the remainder is in bounds.
        let lane = usize::try_from(hash % LANES as u64).unwrap_or_default();
        Turn { _guard: Arc::clone(&self.0[lane]).lock_owned().await, _sender: None }
    }
}

impl Default for Lanes {
    fn default() -> Self {
        Self(array::from_fn(|_| Arc::default()))
    }
}
