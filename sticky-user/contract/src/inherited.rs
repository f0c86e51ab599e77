//! What a process inherits from its supervisor.

use std::env;
use std::ffi::OsString;
use std::io;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use rustix::net::SocketAddrUnix;
use sticky_sys::inherited::Descriptors;
use tracing::warn;

use crate::lease::AcceptLease;
use crate::{SlotCount, SlotId, SlotIdError, descriptor, variable};

/// All that a supervisor passes to a worker: descriptors and environment, read once.
///
/// Under systemd's socket activation, where sticky's variables are absent, it is slot 0 of 1.
///
/// ```no_run
/// use sticky_contract::{Inherited, InheritedError};
///
/// fn main() -> Result<(), InheritedError> {
///     let inherited = Inherited::from_env()?;
///     println!("slot {} of {}", inherited.slot, inherited.slots);
///     Ok(())
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Inherited {
    /// The worker's slot.
    pub slot: SlotId,
    /// How many slots there are.
    pub slots: SlotCount,
    /// How connections get to their slots, as the supervisor names it; empty without a supervisor.
    pub mode: String,
    /// How long connections may take to end when the worker drains.
    pub drain_timeout: Option<Duration>,
    /// As many bytes may wait for a client.
    pub client_buffer: Option<usize>,
    /// As many connections the worker has at most.
    pub max_connections: Option<NonZero<u32>>,
    /// Where the slot's connections come from.
    pub source: Source,
    /// A Unix socket that brings connections which waited at another slot, when that one had no
    /// worker.
    pub redistributed: Option<OwnedFd>,
    /// Tells when this worker accepts.
    pub lease: AcceptLease,
    /// What carries broadcasts to the other workers.
    pub bus: InheritedBus,
    /// Where the supervisor wants to hear this worker ([`Notifier::to`](crate::notify::Notifier::to)).
    pub notify: Option<SocketAddrUnix>,
    /// How often the supervisor wants to hear that this worker is not stuck.
    pub watchdog: Option<Duration>,
}

/// Where a slot's connections come from.
#[derive(Debug)]
pub enum Source {
    /// A listener to accept on.
    Listener(OwnedFd),
    /// A Unix socket that brings connections which the supervisor accepted.
    Connections(OwnedFd),
}

/// What carries broadcasts to the other workers.
#[derive(Debug)]
#[non_exhaustive]
pub enum InheritedBus {
    /// Nothing.
    None,
    /// The embedded bus.
    Mesh {
        /// Where the sockets of all slots are.
        directory: PathBuf,
        /// The socket of this worker's slot.
        socket: OwnedFd,
    },
    /// A Redis server, or a Redis Cluster.
    Redis {
        /// Its URL, or several with commas between them.
        urls: OsString,
        /// A file with the certificates of the authorities that sign its certificate.
        authorities: Option<PathBuf>,
    },
}

/// Why a process cannot be a worker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InheritedError {
    /// The program was started by hand, not by a supervisor.
    #[error(
        "no listener was passed to this process (LISTEN_FDS): start it with `sticky run -- COMMAND`"
    )]
    NoListener,
    /// `LISTEN_FDS` and its companions cannot be read, or were read before.
    #[error(
        "cannot read the passed descriptors (LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES, STICKY_FDS)"
    )]
    Descriptors(#[source] io::Error),
    /// The accept lease cannot be waited for.
    #[error(
        "cannot wait for the accept lease; check the limit of threads (TasksMax, RLIMIT_NPROC)"
    )]
    Lease(#[source] io::Error),
    /// A variable of the environment does not hold what it should.
    #[error("the environment variable {name} holds {value:?}: expected {expected}")]
    Variable {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// The slot is none of the server's.
    #[error(
        "the environment variable {} holds {value:?}, and {} tells how many slots there are",
        variable::SLOT,
        variable::WORKERS
    )]
    Slot {
        /// What the variable holds.
        value: String,
        /// Which slots there are.
        source: SlotIdError,
    },
}

impl Inherited {
    /// Takes the descriptors and reads the [variables](crate::variable).
    ///
    /// # Errors
    ///
    /// There is no listener, the environment cannot be understood, or this is not the first call in
    /// this process: a descriptor has one owner.
    pub fn from_env() -> Result<Self, InheritedError> {
        let mut passed = Descriptors::of_this_process().map_err(InheritedError::Descriptors)?;
        let drain_timeout: Option<humantime::Duration> =
            parsed(variable::DRAIN_TIMEOUT, "a duration, such as 10s")?;
        let slots = parsed(variable::WORKERS, "a number of slots, 1 to 256")?.unwrap_or_default();
        let lease = match passed.take(descriptor::LEASE) {
            Some(file) => AcceptLease::on(file.into()).map_err(InheritedError::Lease)?,
            None => AcceptLease::unshared(),
        };
        Ok(Self {
            slot: slot(slots)?,
            slots,
            mode: parsed(variable::MODE, "the name of a mode")?.unwrap_or_default(),
            drain_timeout: drain_timeout.map(Into::into),
            client_buffer: parsed(variable::CLIENT_BUFFER, "a number of bytes")?,
            max_connections: parsed(variable::MAX_CONNECTIONS, "a number of connections, from 1")?,
            source: source(&mut passed)?,
            redistributed: passed.take(descriptor::REDISTRIBUTED),
            lease,
            bus: bus(&mut passed),
            notify: notify(),
            watchdog: sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero()),
        })
    }
}

fn slot(slots: SlotCount) -> Result<SlotId, InheritedError> {
    let value = env::var_os(variable::SLOT).unwrap_or_else(|| "0".into());
    let value = value.to_string_lossy().into_owned();
    slots.parse_slot(&value).map_err(|source| InheritedError::Slot { value, source })
}

/// A worker that cannot tell anything serves all the same.
fn notify() -> Option<SocketAddrUnix> {
    let supervisor = crate::notify::supervisor();
    supervisor
        .inspect_err(|error| warn!("cannot tell the supervisor anything: {error}"))
        .ok()
        .flatten()
}

fn source(passed: &mut Descriptors) -> Result<Source, InheritedError> {
    if let Some(connections) = passed.take(descriptor::CONNECTIONS) {
        return Ok(Source::Connections(connections));
    }
    // systemd names a socket after its unit: where there is only one, its name says nothing.
    let listener = passed.take(descriptor::LISTENER).or_else(|| passed.take_only());
    listener.map(Source::Listener).ok_or(InheritedError::NoListener)
}

fn bus(passed: &mut Descriptors) -> InheritedBus {
    let socket = passed.take(descriptor::BUS);
    if let Some(urls) = present(variable::REDIS) {
        let authorities = present(variable::REDIS_CA).map(Into::into);
        return InheritedBus::Redis { urls, authorities };
    }
    match (present(variable::BUS), socket) {
        (Some(directory), Some(socket)) => {
            InheritedBus::Mesh { directory: directory.into(), socket }
        }
        (Some(_), None) => {
            // No error: a program that a worker starts inherits the variable, and not the socket.
            warn!(
                "{} is set, and no socket named `{}` was passed: broadcasts stay within this worker",
                variable::BUS,
                descriptor::BUS,
            );
            InheritedBus::None
        }
        (None, _) => InheritedBus::None,
    }
}

/// What a variable holds; an empty one is as good as none.
fn present(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

fn parsed<T: FromStr>(
    name: &'static str,
    expected: &'static str,
) -> Result<Option<T>, InheritedError> {
    let Some(value) = present(name) else {
        return Ok(None);
    };
    let parsed = value.to_str().and_then(|text| text.parse().ok());
    parsed.map(Some).ok_or_else(|| InheritedError::Variable {
        name,
        value: value.to_string_lossy().into(),
        expected,
    })
}
