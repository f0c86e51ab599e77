//! Accepts, looks the slot up, passes on.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use sticky_ebpf::Mapping;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::Outbox;
use crate::listener::Listeners;
use crate::steering::{Error, Plan};
use crate::sys::readiness;

/// Pause after a failure that hits every connection, such as no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections accepted before the rest of the supervisor has a turn.
const IN_A_TURN: u32 = 64;

/// The one listener of the port.
#[derive(Debug)]
pub(super) struct Acceptor {
    listener: AsyncFd<OwnedFd>,
    mapping: Mapping,
    outboxes: Arc<[Outbox]>,
    backlog: u16,
    log: bool,
}

impl Acceptor {
    pub(super) fn new(
        listeners: &Listeners,
        plan: &Plan,
        outboxes: Arc<[Outbox]>,
    ) -> Result<Self, Error> {
        let step = "watch the listener";
        listeners.open_door()?;
        let listener = watch(listeners).map_err(Error::system(step))?;
        Ok(Self {
            listener,
            mapping: plan.mapping.clone(),
            outboxes,
            backlog: plan.backlog,
            log: plan.log,
        })
    }

    /// Accepts until `stop`, then what still waits, and closes the port.
    pub(super) async fn run(self, stop: CancellationToken) {
        loop {
            let ready = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                ready = self.listener.readable() => ready,
            };
            let accepted = match ready {
                Ok(mut ready) => ready.try_io(|_| self.accept_waiting()).unwrap_or(Ok(())),
                Err(error) => Err(error),
            };
            tokio::task::yield_now().await;
            if let Err(error) = accepted {
                error!("cannot accept connections: {error}; trying again in {PAUSE:?}");
                tokio::time::sleep(PAUSE).await; // real delay: no event tells that it may work now
            }
        }
        // As many as can wait, no more: who comes later is refused when the port closes.
        for _ in 0..=u32::from(self.backlog) / IN_A_TURN {
            match self.accept_waiting() {
                Ok(()) => tokio::task::yield_now().await,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    error!("cannot accept the connections that still wait: {error}");
                    return;
                }
            }
        }
    }

    /// Accepts until nothing waits, which is the error `WouldBlock`, or others should have a turn.
    fn accept_waiting(&self) -> io::Result<()> {
        for _ in 0..IN_A_TURN {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            match acceptfrom_with(self.listener.as_fd(), flags) {
                Ok((connection, Some(peer))) => {
                    if let Ok(peer) = SocketAddr::try_from(peer) {
                        self.pass(connection, peer);
                    }
                }
                // The client went away between its SYN and our accept.
                Ok((_, None)) | Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn pass(&self, connection: OwnedFd, peer: SocketAddr) {
        let slot = self.mapping.slot_of(peer.ip());
        if self.log {
            let key = self.mapping.key_of(peer.ip()).number();
            info!("key {key} -> slot {slot}");
        }
        if let Some(outbox) = self.outboxes.get(slot as usize) {
            outbox.pass(connection);
        }
    }
}

fn watch(listeners: &Listeners) -> io::Result<AsyncFd<OwnedFd>> {
    let listener = listeners.get(0).ok_or(io::ErrorKind::NotFound)?;
    rustix::io::ioctl_fionbio(listener, true)?;
    readiness::watch(listener.try_clone_to_owned()?, Interest::READABLE)
}
