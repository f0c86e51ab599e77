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
//! Delivery is at most once, and in order from each worker to each other.

mod error;
mod frame;
mod ledger;
mod link;
mod publisher;
mod queue;
mod request;
mod stream;
mod subscriber;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use socketioxide_redis::drivers::{ChanItem, MessageStream};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};

pub use error::{FrameError, MeshError};

use self::publisher::Publisher;
use self::subscriber::{GRACE, Subscriber, Wishes};
use super::health::{Health, HealthReporter};

/// The path of a slot's socket, in the directory that the supervisor names.
pub fn socket(directory: &Path, slot: u32) -> PathBuf {
    directory.join(format!("bus-{slot}.sock"))
}

/// Whether a file has a name as [`socket`] gives them.
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
    /// Joins the mesh; returns when the workers that run know of this one. `listener` is the
    /// socket of this worker's slot. Needs a tokio runtime.
    pub async fn join(place: &Place, listener: OwnedFd) -> Result<Self, MeshError> {
        let node = node();
        let health = HealthReporter::default();
        let publisher = Arc::new(Publisher::new(node, health.clone()));
        let listener = StdListener::from(listener);
        listener.set_nonblocking(true).map_err(MeshError::Socket)?;
        let settled = serve_waiting(&publisher, &listener).map_err(MeshError::Socket)?;
        let listener = UnixListener::from_std(listener).map_err(MeshError::Socket)?;
        tokio::spawn(Arc::clone(&publisher).accept(listener));

        let wishes = Arc::new(Wishes::new(node, place.slot));
        let others = (0..place.slots).filter(|slot| *slot != place.slot);
        let peers = others.map(|slot| socket(&place.directory, slot));
        let subscriber = Arc::new(Subscriber::open(Arc::clone(&wishes), peers));
        let heard = tokio::time::timeout(GRACE, async {
            for settled in settled {
                // Closed instead of settled: that worker has gone.
                let _ = settled.await;
            }
        });
        let ((), _) = tokio::join!(subscriber.settled(), heard);
        health.up(true);
        Ok(Self { publisher, subscriber, wishes, health })
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

    pub(super) fn unsubscribe(&self, channel: &str) {
        self.subscriber.unsubscribe(channel);
    }

    /// How many workers hear `channel`, this one included.
    pub(super) fn workers(&self, channel: &str) -> u16 {
        let others = self.publisher.subscribers(channel).len();
        u16::try_from(others).unwrap_or(u16::MAX).saturating_add(1)
    }
}

/// Serves the links that were opened before this worker came. Each of the receivers is told when its
/// link has said what it wants.
fn serve_waiting(
    publisher: &Arc<Publisher>,
    listener: &StdListener,
) -> io::Result<Vec<oneshot::Receiver<()>>> {
    let mut waiting = Vec::new();
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                let (settled, receiver) = oneshot::channel();
                let stream = UnixStream::from_std(stream)?;
                tokio::spawn(Arc::clone(publisher).serve(stream, Some(settled)));
                waiting.push(receiver);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(waiting),
            Err(error) => return Err(error),
        }
    }
}

/// A number that no other worker has, now or before.
fn node() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
