//! The connections on their way to one slot.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, watch};
use tracing::{error, warn};

use crate::listener::Queue;
use crate::steering::SlotCounts;
use crate::sys::{fd_passing, readiness};

/// Pause when the user has too many descriptors on their way.
const PAUSE: Duration = Duration::from_millis(10);

/// Passes connections to one slot. What its socket does not take at once waits here, so that a
/// slow worker holds up nobody else.
#[derive(Debug)]
pub(super) struct Outbox {
    socket: Arc<AsyncFd<OwnedFd>>,
    overflow: mpsc::Sender<OwnedFd>,
    /// Connections that wait in `overflow` or are being sent from it.
    waiting: Arc<watch::Sender<u32>>,
    limit: u16,
    selected: Arc<AtomicU64>,
    refused: AtomicU64,
}

impl Outbox {
    /// At most `limit` connections wait beside those in the socket.
    pub(super) fn new(socket: OwnedFd, limit: u16) -> io::Result<Self> {
        let socket = Arc::new(readiness::watch(socket, Interest::WRITABLE)?);
        let (overflow, waiting_connections) = mpsc::channel(usize::from(limit).max(1));
        let waiting = Arc::new(watch::Sender::new(0));
        let selected = Arc::new(AtomicU64::new(0));
        tokio::spawn(flush(
            waiting_connections,
            Arc::clone(&socket),
            Arc::clone(&waiting),
            Arc::clone(&selected),
        ));
        Ok(Self { socket, overflow, waiting, limit, selected, refused: AtomicU64::new(0) })
    }

    /// Passes a connection on, now or as soon as the socket takes it. Closes it when too many wait.
    pub(super) fn pass(&self, connection: OwnedFd) {
        if *self.waiting.borrow() == 0 {
            match fd_passing::send(self.socket.get_ref(), connection.as_fd()) {
                Ok(()) => {
                    self.selected.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Err(error) if fd_passing::is_crowded(&error) => {}
                Err(error) => return self.refuse(&error),
            }
        }
        self.waiting.send_modify(|waiting| *waiting += 1);
        if let Err(error) = self.overflow.try_send(connection) {
            self.waiting.send_modify(|waiting| *waiting -= 1);
            self.refuse(&error);
        }
    }

    fn refuse(&self, why: &dyn std::error::Error) {
        // One line for the first, so that a flood of connections is not a flood of lines.
        if self.refused.fetch_add(1, Ordering::Relaxed) == 0 {
            warn!("a connection was closed since its slot did not take it: {why}");
        }
    }

    pub(super) fn counts(&self) -> SlotCounts {
        SlotCounts {
            selected: self.selected.load(Ordering::Relaxed),
            empty: 0,
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    pub(super) fn queue(&self) -> Queue {
        Queue { waiting: *self.waiting.borrow(), limit: u32::from(self.limit) }
    }

    /// Waits until nothing waits here.
    pub(super) async fn flushed(&self) {
        // The sender lives as long as this outbox: there is no error to expect.
        let _ = self.waiting.subscribe().wait_for(|&waiting| waiting == 0).await;
    }
}

/// Sends what waits, in order, whenever the socket takes it.
async fn flush(
    mut connections: mpsc::Receiver<OwnedFd>,
    socket: Arc<AsyncFd<OwnedFd>>,
    waiting: Arc<watch::Sender<u32>>,
    selected: Arc<AtomicU64>,
) {
    while let Some(connection) = connections.recv().await {
        match send(&socket, &connection).await {
            Ok(()) => {
                selected.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => error!("a connection was lost on its way to its slot: {error}"),
        }
        waiting.send_modify(|waiting| *waiting -= 1);
    }
}

/// Sends as soon as the socket takes it.
async fn send(socket: &AsyncFd<OwnedFd>, connection: &OwnedFd) -> io::Result<()> {
    loop {
        let send = |socket: &OwnedFd| fd_passing::send(socket, connection.as_fd());
        match socket.async_io(Interest::WRITABLE, send).await {
            Err(error) if fd_passing::is_crowded(&error) => {
                tokio::time::sleep(PAUSE).await; // real delay: the limit of a user has no event
            }
            result => return result,
        }
    }
}
