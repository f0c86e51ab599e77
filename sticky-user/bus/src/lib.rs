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
//! // As a worker: `worker.bus().await?` of the crate `sticky-worker`.
//! let bus = Bus::redis(&"redis://localhost".parse()?).await?;
//! let (layer, io) = SocketIo::builder().with_adapter::<Adapter<_>>(bus.adapter()).build_layer();
//! io.ns("/", async |socket: SocketRef<Adapter<_>>| {
//!     socket.broadcast().emit("joined", &socket.id).await.ok();
//! })
//! .await?;
//! # Ok(())
//! # }
//! ```

mod adapter;
mod audience;
pub mod backlog;
mod driver;
mod error;
mod health;
pub mod mesh;
mod redis;
mod report;
mod scan;
mod seldom;

use std::fmt;
use std::time::Duration;

use sticky_contract::InheritedBus;
use sticky_contract::lease::AcceptLease;
use sticky_contract::notify::Notifier;
use tokio::sync::watch;
use tracing::debug;

use self::audience::Audience;
use self::health::HealthReporter;
use self::mesh::{Mesh, Place};

pub use adapter::{Acks, Adapter, AdapterState};
pub use error::Error;
pub use health::Health;
pub use redis::{InvalidRedisAuthorities, InvalidRedisUrl, RedisBus, RedisUrls};

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
    /// Joins the bus that the worker of `slot` inherited, one of `slots`; the embedded one as soon as
    /// `lease` is held.
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
                Ok(Self::Mesh(Mesh::join(&place, socket, lease).await?))
            }
            InheritedBus::Redis { urls, authorities } => {
                let urls: RedisUrls = urls.to_str().ok_or(InvalidRedisUrl::NOT_TEXT)?.parse()?;
                let urls = match authorities {
                    Some(file) => urls.with_authorities_of(&file)?,
                    None => urls,
                };
                Self::redis(&urls).await
            }
            _ => {
                debug!("no bus: broadcasts stay within this worker");
                Ok(Self::Alone)
            }
        }
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

    /// Tells the supervisor how it is doing, now and whenever that changes, until the bus ends.
    pub fn report_to(&self, notifier: Notifier) {
        if !matches!(self, Self::Alone) {
            report::start(self.health(), notifier);
        }
    }

    /// How it is doing, now and from now on.
    pub fn health(&self) -> watch::Receiver<Health> {
        match self {
            Self::Alone => HealthReporter::default().watch(),
            Self::Mesh(mesh) => mesh.health(),
            Self::Redis(redis) => redis.health(),
        }
    }

    /// What [`socketioxide::SocketIoBuilder::with_adapter`] asks for.
    pub fn adapter(&self) -> AdapterState {
        AdapterState::of(self)
    }

    /// The clients that its messages are for.
    fn audience(&self) -> Option<&Audience> {
        match self {
            Self::Alone => None,
            Self::Mesh(mesh) => Some(mesh.audience()),
            Self::Redis(redis) => Some(redis.audience()),
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
