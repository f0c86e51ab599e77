//! What carries broadcasts to the other workers.

use std::fmt;

use socketioxide_core::adapter::remote_packet::RequestOut;
use socketioxide_redis::drivers::{ChanItem, Driver, MessageStream};
use sticky_contract::InheritedBus;
use sticky_contract::lease::AcceptLease;
use sticky_contract::notify::Notifier;
use tokio::sync::watch;
use tracing::debug;

use crate::error::Error;
use crate::health::{Health, HealthReporter};
use crate::mesh::{Mesh, Place};
use crate::namespaces::Namespaces;
#[cfg(feature = "redis")]
use crate::redis::{InvalidRedisUrl, RedisBus, RedisUrls};
use crate::report;

/// What carries broadcasts to the other workers. Clones share one connection.
///
/// A worker of sticky gets it from `Worker::bus` of the crate sticky-worker. While it is lost, and that
/// is no error, broadcasts reach the clients of this worker only; [`Bus::health`] tells.
///
/// ```
/// use sticky_bus::Bus;
///
/// let bus = Bus::alone();
/// assert_eq!(bus.health().borrow().peers, 0);
/// ```
#[derive(Clone)]
pub struct Bus(Carrier);

#[derive(Clone)]
enum Carrier {
    Nothing,
    /// The other workers of this supervisor.
    Mesh(Mesh),
    /// A Redis server, or a Redis Cluster.
    #[cfg(feature = "redis")]
    Redis(RedisBus),
}

impl Bus {
    /// None: a broadcast reaches the clients of this worker only.
    pub const fn alone() -> Self {
        Self(Carrier::Nothing)
    }

    /// Joins the bus that the worker of `slot` inherited, one of `slots`; the embedded one as soon as
    /// `lease` is held. For sticky-worker, whose `Worker::bus` calls it; needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// The URLs of Redis or the socket of the mesh cannot be used; see [`Bus::redis`].
    pub async fn join(
        inherited: InheritedBus,
        slot: u32,
        slots: u32,
        lease: &AcceptLease,
    ) -> Result<Self, Error> {
        match inherited {
            InheritedBus::Mesh { directory, socket } => {
                debug!("broadcasts go through the embedded bus");
                let place = Place { directory, slot, slots };
                Ok(Self(Carrier::Mesh(Mesh::join(&place, socket, lease).await?)))
            }
            #[cfg(feature = "redis")]
            InheritedBus::Redis { urls, authorities } => {
                let urls: RedisUrls = urls.to_str().ok_or(InvalidRedisUrl::NOT_TEXT)?.parse()?;
                let urls = match authorities {
                    Some(file) => urls.with_authorities_of(&file)?,
                    None => urls,
                };
                Self::redis(&urls).await
            }
            #[cfg(not(feature = "redis"))]
            InheritedBus::Redis { .. } => Err(Error::NoRedis),
            _ => {
                debug!("no bus: broadcasts stay within this worker");
                Ok(Self::alone())
            }
        }
    }

    /// Connects to the Redis server, or the Redis Cluster, after [`RedisUrls::check`].
    ///
    /// One that does not answer is no error here, and a connection that breaks later is none
    /// either: broadcasts reach this worker's clients, and all others as soon as it answers.
    ///
    /// # Errors
    ///
    /// A server answers, and cannot be used: it refuses the password or a command, is too old, speaks no
    /// TLS, or is not of a cluster.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), sticky_bus::Error> {
    /// use sticky_bus::Bus;
    ///
    /// let bus = Bus::redis(&"redis://:secret@10.0.0.1".parse()?).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "redis")]
    pub async fn redis(urls: &RedisUrls) -> Result<Self, Error> {
        let answers = match urls.check().await {
            Err(error) if error.is_passing() => {
                debug!("{error}");
                false
            }
            result => result.map(|()| true)?,
        };
        let bus = RedisBus::connect(urls);
        if answers {
            bus.settled().await;
        }
        debug!("broadcasts go through Redis at {urls}");
        Ok(Self(Carrier::Redis(bus)))
    }

    /// Tells the supervisor how it is doing, now and whenever that changes, until the bus ends. For
    /// sticky-worker, whose `Worker::bus` calls it.
    pub fn report_to(&self, notifier: Notifier) {
        if !matches!(self.0, Carrier::Nothing) {
            report::start(self.health(), notifier);
        }
    }

    /// How it is doing, now and from now on.
    pub fn health(&self) -> watch::Receiver<Health> {
        match &self.0 {
            Carrier::Nothing => HealthReporter::default().watch(),
            Carrier::Mesh(mesh) => mesh.health(),
            #[cfg(feature = "redis")]
            Carrier::Redis(redis) => redis.health(),
        }
    }

    /// What the names of its channels are to begin with, where that matters.
    pub(crate) fn prefix(&self) -> Option<&'static str> {
        match &self.0 {
            #[cfg(feature = "redis")]
            Carrier::Redis(redis) => Some(redis.prefix()),
            _ => None,
        }
    }

    /// The namespaces that requests of other workers are for.
    pub(crate) fn namespaces(&self) -> Option<&Namespaces> {
        match &self.0 {
            Carrier::Nothing => None,
            Carrier::Mesh(mesh) => Some(mesh.namespaces()),
            #[cfg(feature = "redis")]
            Carrier::Redis(redis) => Some(redis.namespaces()),
        }
    }

    /// Sends a broadcast, which nobody responds to, to the other workers.
    pub(crate) async fn broadcast(
        &self,
        channel: &str,
        request: &RequestOut<'_>,
    ) -> Result<(), Error> {
        match &self.0 {
            Carrier::Nothing => Ok(()),
            Carrier::Mesh(mesh) => mesh.broadcast(channel, request).await,
            #[cfg(feature = "redis")]
            Carrier::Redis(redis) => {
                let message = rmp_serde::to_vec(request)
                    .map_err(|error| Error::Unsendable { reason: error.to_string() })?;
                redis.publish(channel, &message).await;
                Ok(())
            }
        }
    }
}

/// The bus as socketioxide-redis's adapter uses it.
impl Driver for Bus {
    type Error = Error;

    async fn publish(&self, channel: String, message: Vec<u8>) -> Result<(), Error> {
        match &self.0 {
            Carrier::Nothing => {}
            Carrier::Mesh(mesh) => mesh.publish(&channel, &message).await?,
            #[cfg(feature = "redis")]
            Carrier::Redis(redis) => redis.publish(&channel, &message).await,
        }
        Ok(())
    }

    async fn subscribe(
        &self,
        channel: String,
        size: usize,
    ) -> Result<MessageStream<ChanItem>, Error> {
        match &self.0 {
            Carrier::Nothing => Ok(MessageStream::new_empty()),
            Carrier::Mesh(mesh) => Ok(mesh.subscribe(channel, size).await),
            #[cfg(feature = "redis")]
            Carrier::Redis(redis) => Ok(redis.subscribe(&channel).await),
        }
    }

    async fn unsubscribe(&self, channel: String) -> Result<(), Error> {
        match &self.0 {
            Carrier::Nothing => {}
            Carrier::Mesh(mesh) => mesh.unsubscribe(&channel),
            #[cfg(feature = "redis")]
            Carrier::Redis(redis) => redis.unsubscribe(&channel),
        }
        Ok(())
    }

    /// How many workers there are, this one included.
    async fn num_serv(&self, channel: &str) -> Result<u16, Error> {
        match &self.0 {
            Carrier::Nothing => Ok(1),
            Carrier::Mesh(mesh) => Ok(mesh.workers(channel)),
            #[cfg(feature = "redis")]
            Carrier::Redis(redis) => Ok(redis.workers(channel).await),
        }
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Carrier::Nothing => "Bus::alone",
            Carrier::Mesh(_) => "Bus (mesh)",
            #[cfg(feature = "redis")]
            Carrier::Redis(_) => "Bus (Redis)",
        })
    }
}
