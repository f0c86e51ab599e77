//! What workers tell each other, so that a broadcast reaches the clients of all of them.
//!
//! An application uses one type of [`Adapter`], and where it runs says what carries it:
//!
//! ```no_run
//! use socketioxide::SocketIo;
//! use socketioxide::extract::SocketRef;
//! use sticky_user::bus::{Adapter, Bus};
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
mod driver;
mod environment;
mod error;
mod health;
pub mod mesh;
mod redis;

use std::env;
use std::fmt;

use socketioxide_redis::drivers::redis::RedisDriver;
use socketioxide_redis::{RedisAdapterConfig, RedisAdapterCtr};
use tracing::debug;

use self::mesh::Mesh;

pub use adapter::{Acks, Adapter};
pub use error::Error;
pub use health::Health;
pub use redis::{InvalidRedisUrl, RedisUrl};

/// The variable that names the Redis server, for a worker.
pub const REDIS_VARIABLE: &str = "STICKY_REDIS";

/// What carries broadcasts to the other workers. Clones share one connection.
#[derive(Clone)]
#[non_exhaustive]
pub enum Bus {
    /// Nothing: a broadcast reaches the clients of this worker only.
    Alone,
    /// The other workers of this supervisor.
    Mesh(Mesh),
    /// A Redis server.
    Redis(RedisDriver),
}

impl Bus {
    /// Takes the bus that the environment names: the Redis server of `STICKY_REDIS`, else the
    /// embedded bus whose socket the supervisor passed, else none.
    pub async fn from_env() -> Result<Self, Error> {
        let url = env::var_os(REDIS_VARIABLE).unwrap_or_default();
        if url.is_empty() {
            return Self::embedded().await;
        }
        let url: RedisUrl = url.to_str().ok_or(InvalidRedisUrl::NOT_TEXT)?.parse()?;
        let bus = Self::redis(&url).await?;
        debug!("broadcasts go through Redis at {url}");
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

    /// Connects to the Redis server at `url`, after [`RedisUrl::check`].
    ///
    /// A connection that breaks stays broken: broadcasts then fail, and say so, until the worker
    /// is restarted.
    pub async fn redis(url: &RedisUrl) -> Result<Self, Error> {
        url.check().await?;
        Ok(Self::Redis(url.driver().await?))
    }

    /// What [`socketioxide::SocketIoBuilder::with_adapter`] asks for.
    pub fn adapter(&self) -> RedisAdapterCtr<Self> {
        RedisAdapterCtr::new_with_driver(self.clone(), RedisAdapterConfig::new())
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
