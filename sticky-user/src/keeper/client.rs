//! The supervisor's side. Once the keeper is found, nothing here waits for it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, socket_with, socketpair,
};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use tokio::io::Interest;
use tokio::time::timeout;

use super::Handover;
use super::message::{Message, receive, send};
use crate::step::{Step as _, StepError};
use sticky_sys::readiness::{self, Watched};
use sticky_sys::{credentials, inherited};

/// A keeper that runs answers at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the end of a keeper may take that was told to leave, or was killed.
const LEAVING: Duration = Duration::from_secs(2);

/// What the keeper is for, behind the step that failed.
const HINT: &str = ", which holds the port's sockets for the next supervisor";

/// The connection of a supervisor to its keeper.
#[derive(Debug)]
pub(crate) struct KeeperClient {
    socket: Watched<OwnedFd>,
    process: Watched<OwnedFd>,
}

impl KeeperClient {
    /// Starts a keeper, in a tokio runtime, that is found at `path`, in place of what may be left there. `command` is to
    /// call [`serve`](super::serve) with what it finds passed as `keeper` and `supervisor`.
    pub(crate) fn start(path: &Path, mut command: Command) -> Result<Self, StepError> {
        let mut started = || -> io::Result<Self> {
            let listener = bound_at(path)?;
            let flags = SocketFlags::CLOEXEC;
            let (near, far) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
            let child = command
                .env("LISTEN_FDS", "2")
                .env("LISTEN_FDNAMES", "keeper:supervisor")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .fd_mappings(vec![
                    FdMapping { parent_fd: listener, child_fd: inherited::FIRST },
                    FdMapping { parent_fd: far, child_fd: inherited::FIRST + 1 },
                ])
                .map_err(io::Error::other)?
                .spawn()?;
            Self::of(near, watched(Pid::from_child(&child))?)
        };
        started().step("start the keeper").map_err(|error| error.with_hint(HINT))
    }

    /// From now on, the socket waits for nobody.
    fn of(socket: OwnedFd, process: Watched<OwnedFd>) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        let both = Interest::READABLE | Interest::WRITABLE;
        Ok(Self { socket: readiness::watch(socket, both)?, process })
    }

    /// Takes over from a keeper that an earlier supervisor left; `None` where there is none.
    pub(crate) fn find(path: &Path) -> Result<Option<(Self, Handover)>, StepError> {
        match reached(path) {
            Ok((socket, process, pid)) => {
                let taken = || -> io::Result<_> {
                    let handover = take(&socket).map_err(|error| silent(error, pid))?;
                    Ok(Some((Self::of(socket, process)?, handover)))
                };
                taken().step("take over from the keeper").map_err(|error| error.with_hint(HINT))
            }
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(StepError::new("reach the keeper", error).with_hint(HINT)),
        }
    }

    /// Gives it a duplicate of a descriptor, in place of an earlier one of this name. An error where
    /// [`is_crowded`](sticky_sys::fd_passing::is_crowded) passes, as with all that it is told.
    pub(crate) fn keep(&self, name: &str, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        self.send(&Message::Keep(name.into()), Some(descriptor))
    }

    /// Lets it close the descriptor of this name.
    pub(crate) fn forget(&self, name: &str) -> io::Result<()> {
        self.send(&Message::Forget(name.into()), None)
    }

    /// Leaves a note for the next supervisor, in place of the last.
    pub(crate) fn note(&self, note: &str) -> io::Result<()> {
        self.send(&Message::Note(note.into()), None)
    }

    /// Asks it to answer when it has taken all that it was told: see [`KeeperClient::answered`].
    pub(crate) fn ping(&self) -> io::Result<()> {
        self.send(&Message::Ping, None)
    }

    /// Resolves when it can be told something.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        loop {
            let mut ready = self.socket.writable().await?;
            let mut socket = [PollFd::new(self.socket.get_ref(), PollFlags::OUT)];
            if poll(&mut socket, Some(&Timespec::default()))? > 0 {
                return Ok(());
            }
            ready.clear_ready();
        }
    }

    /// Resolves when it answers.
    pub(crate) async fn answered(&self) -> io::Result<()> {
        loop {
            let mut ready = self.socket.readable().await?;
            match self.has_answered() {
                Ok(true) => return Ok(()),
                Ok(false) => ready.clear_ready(),
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether it has answered.
    pub(crate) fn has_answered(&self) -> io::Result<bool> {
        match receive(self.socket.get_ref()) {
            Ok(Some((Message::Pong, _))) => Ok(true),
            Ok(Some(_)) => Err(io::ErrorKind::InvalidData.into()),
            Ok(None) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Ends it, and waits until it has ended, or cannot be ended.
    pub(crate) async fn leave(self) {
        let told = self.send(&Message::Leave, None);
        if told.is_ok() && timeout(LEAVING, self.ended()).await.is_ok() {
            return;
        }
        self.kill();
        // A keeper that the kernel does not let go of has nothing left to do but to end.
        let _ = timeout(LEAVING, self.ended()).await;
    }

    /// Ends it at once, whatever it does; in a tokio runtime.
    pub(crate) fn end(self) {
        self.kill();
        tokio::spawn(async move { self.ended().await });
    }

    fn kill(&self) {
        // It may have ended by itself.
        let _ = pidfd_send_signal(self.process.get_ref(), Signal::KILL);
    }

    /// Resolves when it has ended without being told to.
    pub(crate) async fn ended(&self) -> io::Result<()> {
        self.process.readable().await?.retain_ready();
        // Only its parent can, and has to.
        let _ = waitid(WaitId::PidFd(self.process.get_ref().as_fd()), WaitIdOptions::EXITED);
        Ok(())
    }

    fn send(&self, message: &Message, with: Option<BorrowedFd<'_>>) -> io::Result<()> {
        send(self.socket.get_ref(), message, with)
    }
}

fn reached(path: &Path) -> io::Result<(OwnedFd, Watched<OwnedFd>, Pid)> {
    let address = SocketAddrUnix::new(path)?;
    let socket = unix_socket()?;
    for timeout in [Timeout::Recv, Timeout::Send] {
        set_socket_timeout(&socket, timeout, Some(PATIENCE))?;
    }
    connect(&socket, &address)?;
    let pid = credentials::peer(&socket)?.pid.ok_or(io::ErrorKind::NotFound)?;
    Ok((socket, watched(pid)?, pid))
}

/// What to do about a keeper that lets its time go by.
fn silent(error: io::Error, pid: Pid) -> io::Error {
    if error.kind() != io::ErrorKind::WouldBlock {
        return error;
    }
    let pid = pid.as_raw_nonzero();
    io::Error::other(format!(
        "it (process {pid}) does not answer within {PATIENCE:?}: it was stopped, or hangs; let it go \
         on (kill -CONT {pid}) and start `sticky run` again"
    ))
}

/// All that it keeps. Waits for each part of it, for some time.
fn take(socket: &OwnedFd) -> io::Result<Handover> {
    send(socket, &Message::Take, None)?;
    let mut handover = Handover::default();
    loop {
        match receive(socket)? {
            Some((Message::Keep(name), Some(descriptor))) => {
                handover.descriptors.insert(name, descriptor);
            }
            Some((Message::Note(note), _)) => {
                handover.note = note;
                return Ok(handover);
            }
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn watched(process: Pid) -> io::Result<Watched<OwnedFd>> {
    readiness::watch(pidfd_open(process, PidfdFlags::NONBLOCK)?, Interest::READABLE)
}

fn unix_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
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
