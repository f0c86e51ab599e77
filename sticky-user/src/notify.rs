//! Telling the supervisor something, through `NOTIFY_SOCKET` (see `sd_notify(3)`).

use std::env;
use std::fmt::Write;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::sleep;
use tracing::debug;

/// Before another attempt, when the supervisor has much to read.
const PAUSE: Duration = Duration::from_millis(50);

/// Tells, and never waits: a supervisor that does not read must not stop its workers
/// (`WouldBlock`). Where nobody wants to hear, nothing is told.
pub(crate) fn tell(states: &[NotifyState<'_>]) -> io::Result<()> {
    supervisor()?.map_or(Ok(()), |supervisor| tell_at(&supervisor, states))
}

/// Where a supervisor wants to hear.
pub(crate) fn supervisor() -> io::Result<Option<SocketAddr>> {
    let Some(supervisor) = env::var_os("NOTIFY_SOCKET") else {
        return Ok(None);
    };
    match supervisor.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name).map(Some),
        _ => SocketAddr::from_pathname(Path::new(&supervisor)).map(Some),
    }
}

/// Tells in the background, as soon as the supervisor reads.
pub(crate) fn tell_surely(states: &[NotifyState<'static>]) {
    let states = states.to_vec();
    let telling = async move {
        loop {
            match tell(&states) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return debug!("cannot tell the supervisor: {error}"),
                Ok(()) => return,
            }
            sleep(PAUSE).await; // real delay: the socket does not tell when there is room
        }
    };
    tokio::spawn(telling);
}

/// [`tell`], at this address.
pub(crate) fn tell_at(supervisor: &SocketAddr, states: &[NotifyState<'_>]) -> io::Result<()> {
    let mut message = String::new();
    for state in states {
        // Into a string, which takes all.
        let _ = writeln!(message, "{state}");
    }
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(message.as_bytes(), supervisor).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_each_and_no_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify.sock");
        let supervisor = UnixDatagram::bind(&path).unwrap();
        let address = SocketAddr::from_pathname(&path).unwrap();
        let states = [NotifyState::Ready, NotifyState::Custom("X_MORE=1")];
        tell_at(&address, &states).unwrap();
        let mut message = [0; 64];
        let length = supervisor.recv(&mut message).unwrap();
        assert_eq!(&message[..length], b"READY=1\nX_MORE=1\n");
        let full = (0..100_000).find_map(|_| tell_at(&address, &states).err()).unwrap();
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
    }
}
