//! Telling the supervisor something, through `NOTIFY_SOCKET` (see `sd_notify(3)`).

use std::env;
use std::fmt::Write;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use sd_notify::NotifyState;
use tokio::net::UnixDatagram;
use tokio::time::sleep;
use tracing::debug;

/// Before another attempt to tell what has to be told.
const PAUSE: Duration = Duration::from_millis(250);

/// The way to the supervisor. It is opened once and kept: a worker whose clients have taken all
/// descriptors can still say that it lives. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Notifier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    socket: UnixDatagram,
    supervisor: SocketAddrUnix,
}

impl Notifier {
    /// To the supervisor that listens at this address. It may come later.
    ///
    /// # Errors
    ///
    /// There is no descriptor for a socket.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn to(supervisor: SocketAddrUnix) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
        let socket = UnixDatagram::from_std(socket.into())?;
        Ok(Self(Arc::new(Inner { socket, supervisor })))
    }

    /// Tells, as soon as the supervisor has room for it: one that does not read is waited for.
    ///
    /// # Errors
    ///
    /// No supervisor is at the address.
    pub async fn tell(&self, states: &[NotifyState<'_>]) -> io::Result<()> {
        let mut message = String::new();
        for state in states {
            // Into a string, which takes all.
            let _ = writeln!(message, "{state}");
        }
        let Inner { socket, supervisor } = &*self.0;
        if let Err(error) = socket.send(message.as_bytes()).await {
            // Not connected yet, or to a socket that is no more.
            debug!("connecting to the supervisor: {error}");
            connect(socket, supervisor)?;
            socket.send(message.as_bytes()).await?;
        }
        Ok(())
    }

    /// Tells in the background, and tries until it is told.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn tell_surely(&self, states: &[NotifyState<'static>]) {
        let (this, states) = (self.clone(), states.to_vec());
        let telling = async move {
            while let Err(error) = this.tell(&states).await {
                debug!("cannot tell the supervisor {states:?} yet: {error}");
                #[expect(
                    clippy::disallowed_methods,
                    reason = "nothing tells that the supervisor is there"
                )]
                sleep(PAUSE).await;
            }
        };
        tokio::spawn(telling);
    }
}

/// Where a supervisor, or a service manager, wants to hear (`NOTIFY_SOCKET`).
///
/// # Errors
///
/// The variable names no address.
pub fn supervisor() -> io::Result<Option<SocketAddrUnix>> {
    let Some(path) = env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddrUnix::new_abstract_name(name),
        path => SocketAddrUnix::new(path),
    };
    address.map(Some).map_err(|error| {
        let why = format!("NOTIFY_SOCKET={}: {error}", path.display());
        io::Error::new(io::Error::from(error).kind(), why)
    })
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;
    use tokio::task::yield_now;

    use super::*;

    const MANY: usize = 2000;

    async fn heard(supervisor: &UnixDatagram) -> String {
        let mut message = [0; 64];
        let length = supervisor.recv(&mut message).await.unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    }

    #[tokio::test]
    async fn one_line_each_and_waiting_for_room() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("notify.sock");
        let supervisor = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(SocketAddrUnix::new(&path).unwrap()).unwrap();
        let states = [NotifyState::Ready, NotifyState::Custom("X_MORE=1")];
        notifier.tell(&states).await.unwrap();
        assert_eq!(heard(&supervisor).await, "READY=1\nX_MORE=1\n");

        let telling = tokio::spawn(async move {
            for _ in 0..MANY {
                notifier.tell(&[NotifyState::Watchdog]).await.unwrap();
            }
        });
        yield_now().await;
        for _ in 0..MANY {
            assert_eq!(heard(&supervisor).await, "WATCHDOG=1\n");
        }
        telling.await.unwrap();
    }

    #[tokio::test]
    async fn a_supervisor_that_comes_later_or_again() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("notify.sock");
        let notifier = Notifier::to(SocketAddrUnix::new(&path).unwrap()).unwrap();
        assert!(notifier.tell(&[NotifyState::Ready]).await.is_err(), "nobody is there");
        notifier.tell_surely(&[NotifyState::Ready]);
        yield_now().await;
        for _ in 0..2 {
            let supervisor = UnixDatagram::bind(&path).unwrap();
            assert_eq!(heard(&supervisor).await, "READY=1\n");
            drop(supervisor);
            std::fs::remove_file(&path).unwrap();
            notifier.tell_surely(&[NotifyState::Ready]);
        }
    }
}
