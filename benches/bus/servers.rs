//! What the two buses run on: the sockets that a supervisor would open, and a Redis server.

use std::error::Error;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sticky_bus::backlog::Backlogs;
use sticky_bus::{Bus, mesh_sockets};
use sticky_contract::lease::AcceptLease;
use sticky_contract::{InheritedBus, PerSlot, SlotCount, SlotId};
use tempfile::TempDir;

/// What one worker would inherit.
pub(crate) struct Place {
    bus: InheritedBus,
    slot: SlotId,
    slots: SlotCount,
}

impl Place {
    /// Joins the bus.
    pub(crate) async fn join(self) -> Result<Bus, Box<dyn Error + Send + Sync>> {
        let Self { bus, slot, slots } = self;
        let lease = AcceptLease::unshared();
        Ok(Bus::join(bus, slot, slots, &lease, Backlogs::default()).await?)
    }
}

/// A socket per slot.
pub(crate) struct Sockets {
    directory: TempDir,
    listeners: PerSlot<UnixListener>,
}

impl Sockets {
    pub(crate) fn open(slots: SlotCount) -> io::Result<Self> {
        let directory = TempDir::new()?;
        let bind = |slot| UnixListener::bind(mesh_sockets::path(directory.path(), slot));
        let listeners = PerSlot::try_new(slots, bind)?;
        Ok(Self { directory, listeners })
    }

    pub(crate) fn place(&self, slot: SlotId) -> io::Result<Place> {
        let directory = self.directory.path().to_path_buf();
        let socket = self.listeners[slot].try_clone()?.into();
        let bus = InheritedBus::Mesh { directory, socket };
        Ok(Place { bus, slot, slots: self.listeners.count() })
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
        let bus = InheritedBus::Redis { urls: self.url().into(), authorities: None };
        Place { bus, slot: SlotId::FIRST, slots: SlotCount::default() }
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
