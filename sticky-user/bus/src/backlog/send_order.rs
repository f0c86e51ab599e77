//! Which broadcast is sent next: broadcasts that wait keep their order.

use std::array;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::client::Backlog;

/// Locks of broadcasts that no client has sent.
const STRIPES: usize = 64;

/// The right to broadcast, held until that is done.
#[derive(Debug)]
pub(crate) struct SendPermit {
    _guard: OwnedMutexGuard<()>,
    _sender: Option<Sending>,
}

/// A broadcast of a client that is not done: the client is not heard.
#[derive(Debug)]
struct Sending(Arc<Backlog>);

/// The order of broadcasts that no client has sent: those to the same rooms share a lock.
#[derive(Debug)]
pub(super) struct Stripes([Arc<Mutex<()>>; STRIPES]);

impl SendPermit {
    pub(super) async fn of_client(sender: Arc<Backlog>) -> Self {
        let order = Arc::clone(&sender.send_order);
        let sending = Sending::by(sender);
        Self { _guard: order.lock_owned().await, _sender: Some(sending) }
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

impl Stripes {
    pub(super) async fn send_permit(&self, rooms: &impl Hash) -> SendPermit {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(rooms);
        // The same rooms, the same lock, is all that matters: the remainder is in bounds.
        let stripe = usize::try_from(hash % STRIPES as u64).unwrap_or_default();
        SendPermit { _guard: Arc::clone(&self.0[stripe]).lock_owned().await, _sender: None }
    }
}

impl Default for Stripes {
    fn default() -> Self {
        Self(array::from_fn(|_| Arc::default()))
    }
}
