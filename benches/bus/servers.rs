//! What the two buses run on: the sockets that a supervisor would open, and a Redis server.

use std::error::Error;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sticky_bus::mesh::{self, Mesh};
use sticky_bus::{Bus, RedisUrls};
use tempfile::TempDir;

/// Where one worker finds its bus.
pub(crate) enum Place {
    /// Its place in the mesh, and its slot's socket.
    Mesh(mesh::Place, OwnedFd),
    /// The URL of the Redis server.
    Redis(String),
}

impl Place {
    /// Joins the bus.
    pub(crate) async fn join(self) -> Result<Bus, Box<dyn Error + Send + Sync>> {
        Ok(match self {
            Self::Mesh(place, socket) => Bus::Mesh(Mesh::join(&place, socket).await?),
            Self::Redis(url) => Bus::redis(&url.parse::<RedisUrls>()?).await?,
        })
    }
}

/// A socket per slot.
pub(crate) struct Sockets {
    directory: TempDir,
    listeners: Vec<UnixListener>,
}

impl Sockets {
    pub(crate) fn open(slots: u32) -> io::Result<Self> {
        let directory = TempDir::new()?;
        let bind = |slot| UnixListener::bind(mesh::socket(directory.path(), slot));
        let listeners = (0..slots).map(bind).collect::<io::Result<_>>()?;
        Ok(Self { directory, listeners })
    }

    pub(crate) fn place(&self, slot: u32) -> io::Result<Place> {
        let listener = self.listeners.get(slot as usize).ok_or(io::ErrorKind::NotFound)?;
        let slots = u32::try_from(self.listeners.len()).unwrap_or(u32::MAX);
        let directory = self.directory.path().to_path_buf();
        Ok(Place::Mesh(mesh::Place { directory, slot, slots }, listener.try_clone()?.into()))
    }
}

/// A Redis server of our own, without persistence, on a Unix socket: as near as Redis can be.
pub(crate) struct Redis {
    server: Child,
    socket: PathBuf,
    _directory: TempDir,
}

impl Redis {
    pub(crate) fn start() -> io::Result<Self> {
        let directory = TempDir::new()?;
        let socket = directory.path().join("redis.sock");
        let server = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()?;
        let redis = Self { server, socket, _directory: directory };
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::os::unix::net::UnixStream::connect(&redis.socket).is_err() {
            if Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "redis-server does not start"));
            }
            std::thread::yield_now();
        }
        Ok(redis)
    }

    pub(crate) fn place(&self) -> Place {
        Place::Redis(self.url())
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", self.socket.display())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
