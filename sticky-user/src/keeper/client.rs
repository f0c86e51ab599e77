//! The supervisor's side.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use rustix::net::sockopt::{Timeout, set_socket_timeout, socket_peercred};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, socket_with, socketpair,
};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use tokio::io::Interest;

use super::Estate;
use super::message::{Message, receive, send};
use crate::sys::inherited;
use crate::sys::readiness::{self, Watched};

/// A keeper that runs answers at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// A step of talking to the keeper failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} the keeper, which holds the port's sockets for the next supervisor")]
pub struct KeeperError {
    step: &'static str,
    source: io::Error,
}

impl KeeperError {
    fn of(step: &'static str) -> impl Fn(io::Error) -> Self + Clone {
        move |source| Self { step, source }
    }
}

/// The connection of a supervisor to its keeper.
#[derive(Debug)]
pub struct Keeper {
    socket: OwnedFd,
    process: Watched<OwnedFd>,
}

impl Keeper {
    /// Starts a keeper, in a tokio runtime, that is found at `path`, in place of what may be left there. `command` is to
    /// call [`serve`](super::serve) with what it finds passed as `keeper` and `supervisor`.
    pub fn start(path: &Path, mut command: Command) -> Result<Self, KeeperError> {
        let mut started = || -> io::Result<Self> {
            let listener = bound_at(path)?;
            let flags = SocketFlags::CLOEXEC;
            let (near, far) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
            let child = command
                .env("LISTEN_FDS", "2")
                .env("LISTEN_FDNAMES", "keeper:supervisor")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                // Signals of a terminal are not for it.
                .process_group(0)
                .fd_mappings(vec![
                    FdMapping { parent_fd: listener, child_fd: inherited::FIRST },
                    FdMapping { parent_fd: far, child_fd: inherited::FIRST + 1 },
                ])
                .map_err(io::Error::other)?
                .spawn()?;
            set_patience(&near)?;
            Ok(Self { socket: near, process: watched(Pid::from_child(&child))? })
        };
        started().map_err(KeeperError::of("start"))
    }

    /// Takes over from a keeper that an earlier supervisor left; `None` where there is none.
    pub fn find(path: &Path) -> Result<Option<(Self, Estate)>, KeeperError> {
        match Self::connect(path) {
            Ok(keeper) => keeper.take().map(|estate| Some((keeper, estate))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(KeeperError::of("reach")(error)),
        }
    }

    fn connect(path: &Path) -> io::Result<Self> {
        let address = SocketAddrUnix::new(path)?;
        let socket = unix_socket()?;
        set_patience(&socket)?;
        connect(&socket, &address)?;
        let process = watched(socket_peercred(&socket)?.pid)?;
        Ok(Self { socket, process })
    }

    fn take(&self) -> Result<Estate, KeeperError> {
        let failed = KeeperError::of("take over from");
        self.send(&Message::Take, None)?;
        let mut estate = Estate::default();
        loop {
            match receive(&self.socket).map_err(&failed)? {
                Some((Message::Keep(name), Some(descriptor))) => {
                    estate.descriptors.insert(name, descriptor);
                }
                Some((Message::Note(note), _)) => {
                    estate.note = note;
                    return Ok(estate);
                }
                _ => return Err(failed(io::ErrorKind::UnexpectedEof.into())),
            }
        }
    }

    /// Gives it a duplicate of a descriptor, in place of an earlier one of this name.
    pub fn keep(&self, name: &str, descriptor: BorrowedFd<'_>) -> Result<(), KeeperError> {
        self.send(&Message::Keep(name.into()), Some(descriptor))
    }

    /// Lets it close that one.
    pub fn forget(&self, name: &str) -> Result<(), KeeperError> {
        self.send(&Message::Forget(name.into()), None)
    }

    /// Leaves a note for the next supervisor, in place of the last.
    pub fn note(&self, note: String) -> Result<(), KeeperError> {
        self.send(&Message::Note(note), None)
    }

    /// Ends it, and waits until it has ended.
    pub async fn leave(self) -> Result<(), KeeperError> {
        self.send(&Message::Leave, None)?;
        self.ended().await.map_err(KeeperError::of("wait for the end of"))
    }

    /// Resolves when it has ended without being told to.
    pub async fn ended(&self) -> io::Result<()> {
        self.process.readable().await?.retain_ready();
        // Only its parent can, and has to.
        let _ = waitid(WaitId::PidFd(self.process.get_ref().as_fd()), WaitIdOptions::EXITED);
        Ok(())
    }

    fn send(&self, message: &Message, with: Option<BorrowedFd<'_>>) -> Result<(), KeeperError> {
        send(self.socket.as_fd(), message, with).map_err(KeeperError::of("tell something to"))
    }
}

fn watched(process: Pid) -> io::Result<Watched<OwnedFd>> {
    readiness::watch(pidfd_open(process, PidfdFlags::NONBLOCK)?, Interest::READABLE)
}

fn unix_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

fn set_patience(socket: &OwnedFd) -> io::Result<()> {
    for timeout in [Timeout::Recv, Timeout::Send] {
        set_socket_timeout(socket, timeout, Some(PATIENCE))?;
    }
    Ok(())
}

fn bound_at(path: &Path) -> io::Result<OwnedFd> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = unix_socket()?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// Nobody listens there.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}
