//! The receiving end of `NOTIFY_SOCKET`: what workers say of themselves.

use std::io::{self, IoSliceMut};
use std::iter;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::fs::chown;
use std::path::Path;
use std::time::Duration;

use rustix::net::sockopt::set_socket_passcred;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use rustix::process::{Pid, getpgid};
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tracing::error;

use super::User;
use crate::bus::Health;
use crate::steering::Kept;

/// The longest message that is read; systemd has the same limit.
const LONGEST: usize = 4096;

/// Pause after a failure, such as no memory: workers are served all the same.
const PAUSE: Duration = Duration::from_millis(100);

/// A message of a worker.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Notification {
    /// The worker: the leader of the process group that the message came from.
    pub(super) worker: u32,
    /// Whether it says that the worker is ready.
    pub(super) ready: bool,
    /// Whether it says that the worker does not hang.
    pub(super) alive: bool,
    /// Whether it says that the worker takes connections of slots that have none.
    pub(super) adopts: bool,
    /// How the worker's bus is doing, when it says so.
    pub(super) bus: Option<Health>,
}

/// Its name among what is kept for the next supervisor.
const NAME: &str = "notify";

#[derive(Debug)]
pub(super) struct NotifySocket(UnixDatagram);

impl NotifySocket {
    /// Opens it, for `user` to write to where workers are another one.
    pub(super) fn bind(path: &Path, user: Option<&User>) -> io::Result<Self> {
        let socket = UnixDatagram::bind(path)?;
        set_socket_passcred(&socket, true)?;
        if let Some(user) = user {
            chown(path, Some(user.uid()), Some(user.gid()))?;
        }
        Ok(Self(socket))
    }

    /// Takes over the one that an earlier supervisor left, with all that waits in it.
    pub(super) fn resume(left: &mut Kept) -> io::Result<Self> {
        let socket = left.remove(NAME).ok_or(io::ErrorKind::NotFound)?;
        UnixDatagram::from_std(socket.into()).map(Self)
    }

    /// Adds a duplicate to what is kept for the next supervisor.
    pub(super) fn keep(&self, kept: &mut Kept) -> io::Result<()> {
        kept.insert(NAME.into(), self.0.as_fd().try_clone_to_owned()?);
        Ok(())
    }

    /// Waits for the next message that can be understood.
    pub(super) async fn next(&self) -> Notification {
        loop {
            match self.0.async_io(Interest::READABLE, || self.receive()).await {
                Ok(Some(notification)) => return notification,
                Ok(None) => {}
                Err(error) => {
                    error!("cannot hear the workers: {error}; trying again in {PAUSE:?}");
                    tokio::time::sleep(PAUSE).await; // real delay: no event tells it may work now
                }
            }
        }
    }

    /// What waits to be heard, at most as much as is heard in a moment.
    pub(super) fn heard(&self) -> Vec<Notification> {
        const AT_ONCE: usize = 1024;
        let messages = iter::repeat_with(|| self.receive()).take(AT_ONCE);
        messages.map_while(Result::ok).flatten().collect()
    }

    fn receive(&self) -> io::Result<Option<Notification>> {
        let mut text = [0; LONGEST];
        let mut space =
            [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1), ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let message = recvmsg(&self.0, &mut [IoSliceMut::new(&mut text)], &mut control, flags)?;
        let mut sender = None;
        for ancillary in control.drain() {
            // Descriptors that came along are closed here, by being dropped.
            if let RecvAncillaryMessage::ScmCredentials(credentials) = ancillary {
                sender = Some(credentials.pid);
            }
        }
        if message.flags.contains(ReturnFlags::TRUNC) {
            return Ok(None);
        }
        let text = text.get(..message.bytes).unwrap_or_default();
        let worker = sender.and_then(group_leader);
        Ok(worker.map(|worker| Notification {
            worker,
            ready: says(text, "READY=1"),
            alive: says(text, "WATCHDOG=1"),
            adopts: says(text, "X_STICKY_ADOPTS=1"),
            bus: bus(text),
        }))
    }
}

/// A helper of the worker, such as `systemd-notify`, may speak for it.
fn group_leader(sender: Pid) -> Option<u32> {
    let leader = getpgid(Some(sender)).ok()?;
    u32::try_from(leader.as_raw_nonzero().get()).ok()
}

/// Lines of `NAME=value`; unknown ones are ignored, as `sd_notify(3)` asks.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n')
}

fn says(text: &[u8], what: &str) -> bool {
    lines(text).any(|line| line == what.as_bytes())
}

fn bus(text: &[u8]) -> Option<Health> {
    let health = lines(text).filter_map(|line| line.strip_prefix(b"X_STICKY_BUS=")).last()?;
    serde_json::from_slice(health).ok()
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
    fn health_of_the_bus() {
        let health = Health { up: true, peers: 3, ..Health::default() };
        let text = format!("X_STICKY_BUS={}\nREADY=1", serde_json::to_string(&health).unwrap());
        assert_eq!(bus(text.as_bytes()), Some(health));
        assert_eq!(bus(b"X_STICKY_BUS={}"), None);
        assert_eq!(bus(b"READY=1"), None);
    }
}
