//! The receiving ends of `NOTIFY_SOCKET`: what workers say of themselves.
//!
//! Each worker has a socket of its own, by which it is known who speaks. Workers of one user can write
//! to each other's sockets all the same, so the kernel is asked which process sent each message.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::SocketType;
use rustix::net::sockopt::set_socket_passcred;
use rustix::process::Pid;
use sticky_contract::message;
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::time::{Sleep, sleep};
use tracing::error;

use super::notify_access::NotifyAccess;
use super::run_dir::RunDir;
use sticky_bus::Health;
use sticky_sys::credentials::{self, Received};

/// The longest message that is read; systemd has the same limit.
const LONGEST: usize = 4096;

/// So many messages of a worker are heard at once.
const AT_ONCE: usize = 64;

/// After that many, how long a worker is not heard: a worker that says too much waits, and no other does.
/// The same after a failure, such as no memory.
const REST: Duration = Duration::from_millis(20);

/// What a worker says, in one message or some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Notification {
    /// Whether it says that the worker is ready.
    pub(super) ready: bool,
    /// Whether it says that the worker does not hang.
    pub(super) alive: bool,
    /// Whether it says that the worker takes connections of slots that have none.
    pub(super) takes_redistributed: bool,
    /// How the worker's bus is doing, when it says so.
    pub(super) bus: Option<Health>,
}

impl Notification {
    fn of(text: &[u8]) -> Self {
        Self {
            ready: says(text, "READY=1"),
            alive: says(text, "WATCHDOG=1"),
            takes_redistributed: says(text, message::REDISTRIBUTED),
            bus: bus(text),
        }
    }

    /// Adds what is said later.
    fn and(&mut self, later: Self) {
        let Self { ready, alive, takes_redistributed, bus } = later;
        self.ready |= ready;
        self.alive |= alive;
        self.takes_redistributed |= takes_redistributed;
        self.bus = bus.or(self.bus);
    }
}

/// The socket of one worker.
#[derive(Debug)]
pub(super) struct NotifySocket {
    /// The socket that has the name; and, where that name was removed and bound again, the first socket
    /// that had it, to which the worker may be connected. Empty where none could be opened yet.
    sockets: Vec<UnixDatagram>,
    /// Its name in the directory of the workers' sockets.
    name: String,
    rest: Option<Pin<Box<Sleep>>>,
    access: NotifyAccess,
}

impl NotifySocket {
    /// Opens it, for the worker to write to.
    pub(super) fn bind(run_dir: &RunDir, name: &str) -> io::Result<Self> {
        let socket = run_dir.bind_for_workers(name, SocketType::DGRAM)?;
        set_socket_passcred(&socket, true)?;
        Self::of([socket], name)
    }

    /// The sockets that an earlier supervisor opened, with all that waits in them: as they were
    /// [cloned](Self::try_clone). Where there are none, a socket is to be [opened anew](Self::restore).
    pub(super) fn of(sockets: impl IntoIterator<Item = OwnedFd>, name: &str) -> io::Result<Self> {
        let sockets = sockets.into_iter().map(|socket| UnixDatagram::from_std(socket.into()));
        let sockets = sockets.collect::<io::Result<_>>()?;
        Ok(Self { sockets, ..Self::none(name.into()) })
    }

    /// Without a socket, which is to be opened yet.
    pub(super) fn none(name: String) -> Self {
        Self { sockets: Vec::new(), name, rest: None, access: NotifyAccess::default() }
    }

    /// Opens it anew, where the worker looks for it and no longer finds it.
    pub(super) fn restore(&mut self, run_dir: &RunDir) -> io::Result<()> {
        let Self { mut sockets, .. } = Self::bind(run_dir, &self.name)?;
        std::mem::swap(&mut self.sockets, &mut sockets);
        // A worker that keeps its socket has connected to the first.
        self.sockets.extend(sockets.pop());
        Ok(())
    }

    /// Its name in the directory of the workers' sockets.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether there is one with its name.
    pub(super) fn is_there(&self, run_dir: &RunDir) -> bool {
        !self.sockets.is_empty() && run_dir.has_for_workers(&self.name)
    }

    /// Duplicates for the next supervisor: the socket that has the name first.
    pub(super) fn try_clone(&self) -> io::Result<Vec<OwnedFd>> {
        self.sockets.iter().map(|socket| socket.as_fd().try_clone_to_owned()).collect()
    }

    /// Waits for something that `worker` says.
    pub(super) fn poll_next(&mut self, worker: u32, cx: &mut Context<'_>) -> Poll<Notification> {
        loop {
            if let Some(rest) = &mut self.rest {
                ready!(rest.as_mut().poll(cx));
                self.rest = None;
            }
            // All of them are polled, so that each wakes this task.
            let ready = self.sockets.iter().filter(|it| it.poll_recv_ready(cx).is_ready()).count();
            if ready == 0 {
                return Poll::Pending;
            }
            if let Some(said) = self.read_pending(worker) {
                return Poll::Ready(said);
            }
        }
    }

    /// Reads what `worker` has said and was not read, up to a limit.
    pub(super) fn read_pending(&mut self, worker: u32) -> Option<Notification> {
        let mut said = None;
        self.access.begin();
        for socket in &self.sockets {
            let ended = (0..AT_ONCE).find_map(|_| match receive(socket) {
                Ok(message) => {
                    let message = message.filter(|it| {
                        it.sender.is_some_and(|sender| self.access.allow(sender, worker))
                    });
                    if let Some(NotificationFrom { said: more, .. }) = message {
                        said.get_or_insert_with(Notification::default).and(more);
                    }
                    None
                }
                Err(error) => Some(error),
            });
            match ended {
                Some(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // So that the runtime knows.
                    let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
                    let _ = socket.try_io(Interest::READABLE, nothing);
                    continue;
                }
                Some(error) => {
                    error!(worker, "cannot read what the worker says: {error}; trying again");
                }
                None => {}
            }
            #[expect(clippy::disallowed_methods, reason = "others are heard meanwhile")]
            let rest = sleep(REST);
            self.rest = Some(Box::pin(rest));
        }
        said
    }
}

struct NotificationFrom {
    sender: Option<Pid>,
    said: Notification,
}

fn receive(socket: &UnixDatagram) -> io::Result<Option<NotificationFrom>> {
    let mut text = [0; LONGEST];
    let Received { length, truncated, sender } = credentials::receive(socket, &mut text)?;
    if truncated {
        return Ok(None);
    }
    let said = Notification::of(text.get(..length).unwrap_or_default());
    Ok(Some(NotificationFrom { sender, said }))
}

/// Lines of `NAME=value`; unknown ones are ignored, as `sd_notify(3)` asks.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n')
}

fn says(text: &[u8], what: &str) -> bool {
    lines(text).any(|line| line == what.as_bytes())
}

fn bus(text: &[u8]) -> Option<Health> {
    let json = lines(text).filter_map(|line| {
        let rest = line.strip_prefix(message::BUS.as_bytes())?;
        rest.strip_prefix(b"=")
    });
    serde_json::from_slice(json.last()?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_understood_or_passed_over(text: Vec<u8>) {
            prop_assert_eq!(bus(&text), None);
            let ready = text.split(|&byte| byte == b'\n').any(|line| line == b"READY=1");
            prop_assert_eq!(says(&text, "READY=1"), ready);
        }
    }

    #[test]
    fn lines() {
        let says_ready = |text: &[u8]| says(text, "READY=1");
        assert!(says_ready(b"READY=1"));
        assert!(says_ready(b"STATUS=up\nREADY=1\nX_OWN=1\n"));
        for other in ["", "READY=0", "READY=10", "XREADY=1", "STATUS=READY=1", "\n\n", "ready=1"] {
            assert!(!says_ready(other.as_bytes()), "{other:?}");
        }
        assert!(!says_ready(&[0xff, 0x00, b'=']));
    }

    #[test]
    fn what_is_heard_together() {
        let mut said = Notification { ready: true, ..Notification::default() };
        let health = Health { up: true, ..Health::default() };
        said.and(Notification { alive: true, bus: Some(health), ..Notification::default() });
        said.and(Notification::default());
        let all = Notification {
            ready: true,
            alive: true,
            takes_redistributed: false,
            bus: Some(health),
        };
        assert_eq!(said, all);
    }

    #[test]
    fn health_of_the_bus() {
        let health = Health { up: true, peers: 3, ..Health::default() };
        let text = format!("X_STICKY_BUS={}\nREADY=1", serde_json::to_string(&health).unwrap());
        assert_eq!(bus(text.as_bytes()), Some(health));
        assert_eq!(bus(b"X_STICKY_BUS={}"), None);
        assert_eq!(bus(b"READY=1"), None);
    }
}
