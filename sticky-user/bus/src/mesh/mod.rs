//! The embedded bus: a mesh of Unix sockets between the workers of one supervisor.
//!
//! ```text
//! worker 0 ──opens──► bus-1.sock (slot 1's)     worker 0 hears what worker 1 says
//! worker 1 ──opens──► bus-0.sock (slot 0's)     worker 1 hears what worker 0 says
//! ```
//!
//! Each worker opens a link to every other slot's socket, says which channels it wants, and gets
//! their messages. So each worker knows exactly which others hear it: a worker that has gone counts no longer
//! from the moment its link closes, and a worker that comes is ready only when the others know what it wants.
//! The sockets are the supervisor's, which takes no part in anything else here.
//!
//! A worker that is to take another's place joins when it holds the accept lease, and that other one has
//! left by then: at any time a slot has one worker in the mesh, and no client misses a message or gets
//! it twice.
//!
//! Delivery is at most once, and in order from each worker to each other. A worker that closes a link
//! with messages that it has not written tells the subscriber so over a connection of its own to the
//! subscriber's socket, for the link is full: the subscriber ends its clients' sessions. A worker that crashes tells
//! nothing; the messages that had left its process are read, and nothing comes from it after them.

mod budget;
mod frame;
mod link;
mod links;
mod local;
mod membership;
mod pending;
mod publisher;
mod queue;
mod request;
mod serve;
mod stand_ins;
mod stream;
mod subscribers;
mod subscriptions;
#[cfg(test)]
mod tests;

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdListener;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use socketioxide_redis::drivers::{ChanItem, MessageStream};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use self::frame::FrameError;
use self::links::{Links, SYNC_TIMEOUT};
use self::local::Local;
use self::membership::Membership;
use self::publisher::Publisher;
use self::request::Request;
use crate::backlog::Backlogs;
use crate::error::Error;
use crate::health::{Health, HealthReporter};
use crate::mesh_sockets;
use crate::namespaces::Namespaces;
use sticky_contract::lease::AcceptLease;
use sticky_contract::{SlotCount, SlotId};

/// This worker's place in the mesh.
#[derive(Debug)]
pub(crate) struct Place {
    /// Where the sockets of all slots are.
    pub(crate) directory: PathBuf,
    /// This worker's slot.
    pub(crate) slot: SlotId,
    /// The number of slots.
    pub(crate) slots: SlotCount,
}

/// The embedded bus. Clones share the links.
#[derive(Clone, Debug)]
pub(crate) struct Mesh {
    publisher: Arc<Publisher>,
    links: Arc<Links>,
    local: Arc<Local>,
    health: HealthReporter,
}

impl Mesh {
    /// Joins the mesh; returns when the workers that run know of this one, or at once when another
    /// worker of the slot has the accept lease. `listener` is the socket of this worker's slot, `backlogs`
    /// are of its clients. Needs a tokio runtime.
    pub(crate) async fn join(
        place: &Place,
        listener: OwnedFd,
        lease: &AcceptLease,
        backlogs: &Backlogs,
    ) -> Result<Self, Error> {
        let health = HealthReporter::default();
        let membership = Membership::default();
        let node = new_node();
        let local = Arc::new(Local::new(node, place.slot, backlogs));
        let publisher = Arc::new(Publisher::new(
            Arc::clone(&local),
            place.directory.clone(),
            place.slots,
            health.clone(),
            membership.clone(),
        ));
        let listener = StdListener::from(listener);
        listener.set_nonblocking(true).map_err(Error::Socket)?;
        let listener = UnixListener::from_std(listener).map_err(Error::Socket)?;

        let others = place.slots.iter().filter(|slot| *slot != place.slot);
        let peers = others.map(|slot| (slot, mesh_sockets::path(&place.directory, slot)));
        let links = Arc::new(Links::open(Arc::clone(&local), peers, lease, &membership));
        let mesh = Self { publisher, links, local, health };
        let settling = mesh.clone().settle(lease.clone());
        let mut guard = lease.guard();
        // Others need not wait for this: it accepts as long as it is here.
        guard.prepared();
        let publisher = Arc::clone(&mesh.publisher);
        tokio::spawn(publisher.serve_while_leased(listener, lease.clone(), guard));
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
                self.links.settled().await;
                // The workers that answer are there, and open their own links at once.
                let heard = self.publisher.heard_by(self.links.live());
                let _ = timeout(SYNC_TIMEOUT, heard).await;
                self.health.up(true);
            };
            tokio::select! {
                () = settled => guard.prepared(),
                () = lease.releasing() => {}
            }
        }
    }

    /// How it is doing. Its peers are the workers that hear this one.
    pub(crate) fn health(&self) -> watch::Receiver<Health> {
        self.health.watch()
    }

    /// Sends a message that no worker responds to.
    pub(crate) async fn broadcast(
        &self,
        channel: &str,
        content: &impl Serialize,
    ) -> Result<(), Error> {
        if self.publisher.has_others() {
            let message = frame::message_of(channel, content)?;
            self.publisher.publish(channel, message).await;
        }
        Ok(())
    }

    /// Sends a message, which may be a request that the other workers respond to.
    pub(crate) async fn publish(&self, channel: &str, message: &[u8]) -> Result<(), Error> {
        if let Some(request) = Request::read(channel, message) {
            let receivers = self.publisher.subscribers(channel);
            for stand_ins in self.local.pending.expect(request, receivers) {
                stand_ins.deliver(&self.local.subscriptions);
            }
        }
        self.publisher.publish(channel, frame::message(channel, message)?).await;
        Ok(())
    }

    pub(crate) async fn subscribe(&self, channel: String, size: usize) -> MessageStream<ChanItem> {
        let (sender, receiver) = mpsc::channel(size.max(1));
        self.links.subscribe(channel, sender).await;
        MessageStream::new(receiver)
    }

    pub(crate) fn namespaces(&self) -> &Namespaces {
        &self.local.namespaces
    }

    pub(crate) fn unsubscribe(&self, channel: &str) {
        self.links.unsubscribe(channel);
    }

    /// How many workers hear `channel`, this one included.
    pub(crate) fn workers(&self, channel: &str) -> u16 {
        let others = self.publisher.subscribers(channel).len();
        u16::try_from(others).unwrap_or(u16::MAX).saturating_add(1)
    }
}

impl From<FrameError> for Error {
    fn from(error: FrameError) -> Self {
        Self::Unsendable { reason: error.to_string() }
    }
}

/// A number that no other worker has, now or before.
fn new_node() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
