//! What workers tell each other, so that a broadcast reaches the clients of all of them.
//!
//! An application uses one type of [`Adapter`], and where it runs says what carries it:
//!
//! ```no_run
//! use socketioxide::SocketIo;
//! use socketioxide::extract::SocketRef;
//! use sticky_bus::{Adapter, Bus};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let bus = Bus::from_env().await?;
//! let (layer, io) = SocketIo::builder().with_adapter::<Adapter<_>>(bus.adapter()).build_layer();
//! io.ns("/", async |socket: SocketRef<Adapter<_>>| {
//!     socket.broadcast().emit("joined", &socket.id).await.ok();
//! })
//! .await?;
//! # Ok(())
//! # }
//! ```

mod adapter;
pub mod backlog;
mod backoff;
mod driver;
mod environment;
mod error;
mod health;
mod log_limit;
pub mod mesh;
mod namespaces;
mod redis;
mod report;
mod weight;

use std::fmt;
use std::time::Duration;

use socketioxide_core::adapter::remote_packet::RequestOut;
use tokio::sync::watch;
use tracing::debug;

use self::health::HealthReporter;
use self::mesh::Mesh;
use self::namespaces::Namespaces;

pub use adapter::{Acks, Adapter, AdapterState};
pub use error::Error;
pub use health::Health;
pub use redis::{InvalidRedisAuthorities, InvalidRedisUrl, RedisBus, RedisUrls};

/// The variable that names the Redis server, for a worker; or, separated by commas, nodes of a
/// Redis Cluster.
pub const REDIS_VARIABLE: &str = "STICKY_REDIS";

/// The variable that names a file with the certificates of the authorities that sign Redis's
/// certificate (PEM), where that is not one which browsers trust.
pub const REDIS_CA_VARIABLE: &str = "STICKY_REDIS_CA";

/// How long a request to all workers waits for those that count and do not answer: with Redis,
/// those of a host that went without a word.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// What carries broadcasts to the other workers. Clones share one connection.
#[derive(Clone)]
#[non_exhaustive]
pub enum Bus {
    /// Nothing: a broadcast reaches the clients of this worker only.
    Alone,
    /// The other workers of this supervisor.
    Mesh(Mesh),
    /// A Redis server, or a Redis Cluster.
    Redis(RedisBus),
}

impl Bus {
    /// Takes the bus that the environment names: the Redis server of `STICKY_REDIS`, else the
    /// embedded bus whose socket the supervisor passed, else none.
    pub async fn from_env() -> Result<Self, Error> {
        let bus = match environment::redis()? {
            Some(urls) => Self::redis(&urls).await?,
            None => Self::embedded().await?,
        };
        if !matches!(bus, Self::Alone) {
            report::start(bus.health());
        }
        Ok(bus)
    }

    /// The mesh whose socket the supervisor passed, or none.
    async fn embedded() -> Result<Self, Error> {
        let Some((place, socket)) = environment::mesh()? else {
            debug!("no bus: broadcasts stay within this worker");
            return Ok(Self::Alone);
        };
        debug!("broadcasts go through the embedded bus");
        Ok(Self::Mesh(Mesh::join(&place, socket).await?))
    }

    /// Connects to the Redis server, or the Redis Cluster, after [`RedisUrls::check`].
    ///
    /// One that does not answer is no error here, and a connection that breaks later is none
    /// either: broadcasts reach this worker's clients, and all others as soon as it answers.
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
        Ok(Self::Redis(bus))
    }

    /// How it is doing, now and from now on.
    pub fn health(&self) -> watch::Receiver<Health> {
        match self {
            Self::Alone => HealthReporter::default().watch(),
            Self::Mesh(mesh) => mesh.health(),
            Self::Redis(redis) => redis.health(),
        }
    }

    /// The namespaces that its requests are for.
    fn namespaces(&self) -> Option<&Namespaces> {
        match self {
            Self::Alone => None,
            Self::Mesh(mesh) => Some(mesh.namespaces()),
            Self::Redis(redis) => Some(redis.namespaces()),
        }
    }

    /// Sends a broadcast, which nobody responds to, to the other workers.
    async fn broadcast(&self, channel: &str, request: &RequestOut<'_>) -> Result<(), Error> {
        match self {
            Self::Alone => Ok(()),
            Self::Mesh(mesh) => mesh.broadcast(channel, request).await,
            Self::Redis(redis) => {
                let message = rmp_serde::to_vec(request)
                    .map_err(|error| Error::Unsendable { reason: error.to_string() })?;
                redis.publish(channel, &message).await;
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alone => "Alone",
            Self::Mesh(_) => "Mesh",
            Self::Redis(_) => "Redis",
        })
    }
}
