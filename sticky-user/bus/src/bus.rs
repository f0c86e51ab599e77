//! What carries broadcasts to the other workers.

use std::fmt;

use socketioxide_core::adapter::remote_packet::RequestOut;
use socketioxide_redis::drivers::{ChanItem, Driver, MessageStream};
use sticky_contract::lease::AcceptLease;
use sticky_contract::notify::Notifier;
use sticky_contract::{InheritedBus, SlotCount, SlotId};
use tokio::sync::watch;
use tracing::debug;

use crate::backlog::Backlogs;
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
pub struct Bus {
    carrier: Carrier,
    backlogs: Backlogs,
}

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
    ///
    /// It has backlogs of its own, as [`Bus::redis`] has: what it broadcasts to the sessions of a
    /// `Worker` is not held back for a client that does not read. `Worker::bus` knows them.
    pub fn alone() -> Self {
        Self { carrier: Carrier::Nothing, backlogs: Backlogs::default() }
    }

    /// Joins the bus that the worker of `slot` inherited, one of `slots`; the embedded one as soon as
    /// `lease` is held. For sticky-worker, whose `Worker::bus` calls it; needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// The URLs of Redis or the socket of the mesh cannot be used; see [`Bus::redis`].
    #[doc(hidden)]
    pub async fn join(
        inherited: InheritedBus,
        slot: SlotId,
        slots: SlotCount,
        lease: &AcceptLease,
        backlogs: Backlogs,
    ) -> Result<Self, Error> {
        let carrier = match inherited {
            InheritedBus::Mesh { directory, socket } => {
                debug!("broadcasts go through the embedded bus");
                let place = Place { directory, slot, slots };
                Carrier::Mesh(Mesh::join(&place, socket, lease, &backlogs).await?)
            }
            #[cfg(feature = "redis")]
            InheritedBus::Redis { urls, authorities } => {
                let urls: RedisUrls = urls.to_str().ok_or(InvalidRedisUrl::NOT_TEXT)?.parse()?;
                let urls = match authorities {
                    Some(file) => urls.with_authorities_of(&file)?,
                    None => urls,
                };
                redis(&urls, &backlogs).await?
            }
            #[cfg(not(feature = "redis"))]
            InheritedBus::Redis { .. } => return Err(Error::NoRedis),
            _ => {
                debug!("no bus: broadcasts stay within this worker");
                Carrier::Nothing
            }
        };
        Ok(Self { carrier, backlogs })
    }

    /// Connects to the Redis server, or the Redis Cluster, after [`RedisUrls::check`].
    ///
    /// A server that does not answer is no error here, and a connection that breaks later is none
    /// either: broadcasts reach this worker's clients, and all others as soon as it answers.
    ///
    /// # When Redis goes away
    ///
    /// A connection that is lost is made again, with all subscriptions, as soon as the server answers
    /// again. Until then nothing waits for it: what is published is counted as lost, and this worker
    /// counts as the only one, so that broadcasts go on among its own clients. Delivery is at most once,
    /// and in order from each worker to each other.
    ///
    /// In a cluster all of that concerns the one node that has the bus's hash slot. Where the slot moves, or
    /// a replica takes the node's place, the bus follows.
    ///
    /// A server counts as gone when it does not say anything for 2 s while it is asked; it is asked
    /// once a second. The first attempt to connect follows at once, the next after 100 to 200 ms, and they
    /// are 5 s apart at most. A publication that is still not taken after 5 s, for Redis is busy, is lost.
    ///
    /// Redis itself drops the connection of a worker for which more than 32 MB wait, or 8 MB for a
    /// minute (`client-output-buffer-limit pubsub`): raise that where many large messages are sent.
    ///
    /// # Which workers are waited for
    ///
    /// Redis counts the connections that it knows of. A worker that ends, however it ends, is counted
    /// no longer at once, for its kernel closes the connection. A *host* that goes without a word (power,
    /// network) is counted until Redis finds its connections dead. With usual settings that takes
    /// minutes: 10 while nothing is sent to it (`tcp-keepalive 300`), up to 15 while something is (the
    /// kernel's `net.ipv4.tcp_retries2` on the host of Redis, or the limit above if that is reached
    /// before). `tcp-keepalive 10` makes the former 20 seconds, `tcp_retries2=8` the latter 100.
    ///
    /// Meanwhile each request that wants an answer from everybody (`fetch_sockets`, `rooms`, acks of a
    /// broadcast) waits for [`REQUEST_TIMEOUT`](crate::REQUEST_TIMEOUT), and goes on with the
    /// answers that came. Broadcasts without acks wait for no other worker.
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
        let backlogs = Backlogs::default();
        Ok(Self { carrier: redis(urls, &backlogs).await?, backlogs })
    }

    /// Tells the supervisor how it is doing, now and whenever that changes, until the bus ends. For
    /// sticky-worker, whose `Worker::bus` calls it.
    #[doc(hidden)]
    pub fn report_to(&self, notifier: Notifier) {
        if !matches!(self.carrier, Carrier::Nothing) {
            report::start(self.health(), self.backlogs.given_up(), notifier);
        }
    }

    /// How it is doing, now and from now on.
    pub fn health(&self) -> watch::Receiver<Health> {
        match &self.carrier {
            Carrier::Nothing => HealthReporter::default().watch(),
            Carrier::Mesh(mesh) => mesh.health(),
            #[cfg(feature = "redis")]
            Carrier::Redis(redis) => redis.health(),
        }
    }

    /// What waits for the clients that it brings broadcasts to.
    pub(crate) fn backlogs(&self) -> &Backlogs {
        &self.backlogs
    }

    /// What the names of its channels are to begin with, where that matters.
    pub(crate) fn prefix(&self) -> Option<&'static str> {
        match &self.carrier {
            #[cfg(feature = "redis")]
            Carrier::Redis(redis) => Some(redis.prefix()),
            _ => None,
        }
    }

    /// The namespaces that requests of other workers are for.
    pub(crate) fn namespaces(&self) -> Option<&Namespaces> {
        match &self.carrier {
            Carrier::Nothing => None,
            Carrier::Mesh(mesh) => Some(mesh.namespaces()),
            #[cfg(feature = "redis")]
            Carrier::Redis(redis) => Some(redis.namespaces()),
        }
    }

    /// Sends a broadcast, which no worker responds to, to the other workers.
    pub(crate) async fn broadcast(
        &self,
        channel: &str,
        request: &RequestOut<'_>,
    ) -> Result<(), Error> {
        match &self.carrier {
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

#[cfg(feature = "redis")]
async fn redis(urls: &RedisUrls, backlogs: &Backlogs) -> Result<Carrier, Error> {
    let answers = match urls.check().await {
        Err(error) if error.is_passing() => {
            debug!("{error}");
            false
        }
        result => result.map(|()| true)?,
    };
    let bus = RedisBus::connect(urls, backlogs);
    if answers {
        bus.settled().await;
    }
    debug!("broadcasts go through Redis at {urls}");
    Ok(Carrier::Redis(bus))
}

/// The bus as socketioxide-redis's adapter uses it.
impl Driver for Bus {
    type Error = Error;

    async fn publish(&self, channel: String, message: Vec<u8>) -> Result<(), Error> {
        match &self.carrier {
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
        match &self.carrier {
            Carrier::Nothing => Ok(MessageStream::new_empty()),
            Carrier::Mesh(mesh) => Ok(mesh.subscribe(channel, size).await),
            #[cfg(feature = "redis")]
            Carrier::Redis(redis) => Ok(redis.subscribe(&channel).await),
        }
    }

    async fn unsubscribe(&self, channel: String) -> Result<(), Error> {
        match &self.carrier {
            Carrier::Nothing => {}
            Carrier::Mesh(mesh) => mesh.unsubscribe(&channel),
            #[cfg(feature = "redis")]
            Carrier::Redis(redis) => redis.unsubscribe(&channel),
        }
        Ok(())
    }

    /// How many workers there are, this one included.
    async fn num_serv(&self, channel: &str) -> Result<u16, Error> {
        match &self.carrier {
            Carrier::Nothing => Ok(1),
            Carrier::Mesh(mesh) => Ok(mesh.workers(channel)),
            #[cfg(feature = "redis")]
            Carrier::Redis(redis) => Ok(redis.workers(channel).await),
        }
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.carrier {
            Carrier::Nothing => "Bus::alone",
            Carrier::Mesh(_) => "Bus (mesh)",
            #[cfg(feature = "redis")]
            Carrier::Redis(_) => "Bus (Redis)",
        })
    }
}
