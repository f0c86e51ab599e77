//! The embedded bus: a mesh of Unix sockets between the workers of one supervisor.
//!
//! ```text
//! worker 0 ──opens──► bus-1.sock (slot 1's)     worker 0 hears what worker 1 says
//! worker 1 ──opens──► bus-0.sock (slot 0's)     worker 1 hears what worker 0 says
//! ```
//!
//! Each worker opens a link to every other slot's socket, says which channels it wants, and gets
//! their messages. So each knows exactly who hears it: a worker that has gone counts no longer from
//! the moment its link closes, and one that comes is ready only when the others know what it wants.
//! The sockets are the supervisor's, which takes no part in anything else here.
//!
//! A worker that is to take another's place joins when it holds the accept lease, and that other one has left
//! by then: at any time a slot has one worker in the mesh, and no client misses a message or gets
//! it twice.
//!
//! Delivery is at most once, and in order from each worker to each other.

mod budget;
mod error;
mod frame;
mod ledger;
mod link;
mod publisher;
mod queue;
mod request;
mod serve;
mod stay;
mod stream;
mod subscriber;
mod subscribers;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use socketioxide_redis::drivers::{ChanItem, MessageStream};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

pub use error::{FrameError, MeshError};

use self::publisher::Publisher;
use self::stay::Stay;
use self::subscriber::{GRACE, Subscriber, Wishes};
use super::audience::Audience;
use super::health::{Health, HealthReporter};
use sticky_contract::lease::AcceptLease;

/// The path of a slot's socket, in the directory that the supervisor names.
pub fn socket(directory: &Path, slot: u32) -> PathBuf {
    directory.join(socket_name(slot))
}

/// The name of a slot's socket.
pub fn socket_name(slot: u32) -> String {
    format!("bus-{slot}.sock")
}

/// Whether a file has a name as [`socket_name`] gives them.
pub fn is_socket(name: &OsStr) -> bool {
    let slot = name.to_str().and_then(|name| name.strip_prefix("bus-")?.strip_suffix(".sock"));
    slot.is_some_and(|slot| slot.parse::<u32>().is_ok())
}

/// This worker's place in the mesh.
#[derive(Debug)]
pub struct Place {
    /// Where the sockets of all slots are.
    pub directory: PathBuf,
    /// This worker's slot.
    pub slot: u32,
    /// The number of slots.
    pub slots: u32,
}

/// The embedded bus. Clones share the links.
#[derive(Clone, Debug)]
pub struct Mesh {
    publisher: Arc<Publisher>,
    subscriber: Arc<Subscriber>,
    wishes: Arc<Wishes>,
    health: HealthReporter,
}

impl Mesh {
    /// Joins the mesh; returns when the workers that run know of this one, or at once when another
    /// worker of the slot has the accept lease. `listener` is the socket of this worker's slot. Needs a
    /// tokio runtime.
    pub async fn join(
        place: &Place,
        listener: OwnedFd,
        lease: &AcceptLease,
    ) -> Result<Self, MeshError> {
        let health = HealthReporter::default();
        let stay = Stay::default();
        let publisher = Arc::new(Publisher::new(node(), place.slots, health.clone(), stay.clone()));
        let listener = StdListener::from(listener);
        listener.set_nonblocking(true).map_err(MeshError::Socket)?;
        let listener = UnixListener::from_std(listener).map_err(MeshError::Socket)?;

        let wishes = Arc::new(Wishes::new(publisher.node, place.slot));
        let others = (0..place.slots).filter(|slot| *slot != place.slot);
        let peers = others.map(|slot| (slot, socket(&place.directory, slot)));
        let subscriber = Arc::new(Subscriber::open(Arc::clone(&wishes), peers, lease, &stay));
        let mesh = Self { publisher, subscriber, wishes, health };
        let settling = mesh.clone().settle(lease.clone());
        let mut guard = lease.guard();
        // Others need not wait for this: it accepts as long as it is here.
        guard.prepared();
        tokio::spawn(stay.serve_while_leased(
            Arc::clone(&mesh.publisher),
            listener,
            lease.clone(),
            guard,
        ));
        if lease.is_held() {
            settling.await;
        } else {
            tokio::spawn(settling);
        }
        Ok(mesh)
    }

    /// Waits for the lease, and until the workers that run know of this one.
    fn settle(self, lease: AcceptLease) -> impl Future<Output = ()> + Send {
        let mut guard = lease.guard();
        async move {
            let settled = async {
                lease.held().await;
                self.subscriber.settled().await;
                // Those who answer are there, and open their own links at once.
                let heard = self.publisher.heard_by(self.subscriber.live());
                let _ = timeout(GRACE, heard).await;
                self.health.up(true);
            };
            tokio::select! {
                () = settled => guard.prepared(),
                () = lease.releasing() => {}
            }
        }
    }

    /// How it is doing. Its peers are the workers that hear this one.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.watch()
    }

    pub(super) async fn publish(&self, channel: &str, message: &[u8]) -> Result<(), MeshError> {
        let receivers = self.publisher.subscribers(channel);
        self.wishes.ledger.asked(channel, message, receivers, &self.wishes);
        Ok(self.publisher.publish(channel, message).await?)
    }

    pub(super) async fn subscribe(&self, channel: String, size: usize) -> MessageStream<ChanItem> {
        let (sender, receiver) = mpsc::channel(size.max(1));
        self.subscriber.subscribe(channel, sender).await;
        MessageStream::new(receiver)
    }

    pub(super) fn audience(&self) -> &Audience {
        &self.wishes.audience
    }

    pub(super) fn unsubscribe(&self, channel: &str) {
        self.subscriber.unsubscribe(channel);
    }

    /// How many workers hear `channel`, this one included.
    pub(super) fn workers(&self, channel: &str) -> u16 {
        let others = self.publisher.subscribers(channel).len();
        u16::try_from(others).unwrap_or(u16::MAX).saturating_add(1)
    }
}

/// A number that no other worker has, now or before.
fn node() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
