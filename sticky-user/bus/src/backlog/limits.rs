//! How much may wait for each client of a worker, and for how long.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tracing::warn;

/// What a packet weighs beside its bytes, at least.
pub(super) const PACKET: usize = 256;

/// So many packets a client that polls may bring until it fetches, at most.
pub(super) const UNFETCHED: usize = 256;

/// As many bytes may wait for a client when nothing else is said.
pub(super) const DEFAULT_CLIENT_BUFFER: usize = 2 << 20;

/// How long a client that is behind may take until half of what may wait has left, and how long it may
/// take nothing at all.
pub(super) const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);

/// The same while messages of the bus pile up behind such clients, and would be lost to all.
pub(super) const PRESSED_CLIENT_TIMEOUT: Duration = Duration::from_secs(1);

/// The limits of all clients of a worker.
#[derive(Debug)]
pub(super) struct Limits {
    /// What may wait for a client.
    bytes: usize,
    /// As many packets, at most.
    packets: AtomicUsize,
    is_pressed: AtomicBool,
    given_up: watch::Sender<u64>,
}

impl Limits {
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            bytes,
            packets: AtomicUsize::new(usize::MAX),
            is_pressed: AtomicBool::new(false),
            given_up: watch::Sender::new(0),
        }
    }

    /// What may wait for a client.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn set_packets(&self, packets: usize) {
        self.packets.store(packets, Ordering::Relaxed);
    }

    /// What a packet weighs beside its bytes.
    pub(super) fn packet(&self) -> usize {
        PACKET.max(self.bytes() / self.packets.load(Ordering::Relaxed))
    }

    /// So many packets a client that polls may bring until it fetches: each may have an answer, and all of
    /// these have to fit into the engine's queue.
    pub(super) fn unfetched(&self) -> usize {
        UNFETCHED.min(self.packets.load(Ordering::Relaxed))
    }

    /// Messages of the bus pile up, or do so no longer. Whether that is news.
    pub(super) fn set_pressed(&self, is_pressed: bool) -> bool {
        self.is_pressed.swap(is_pressed, Ordering::Relaxed) != is_pressed
    }

    /// How long a client may take.
    pub(super) fn client_timeout(&self) -> Duration {
        if self.is_pressed.load(Ordering::Relaxed) {
            PRESSED_CLIENT_TIMEOUT
        } else {
            CLIENT_TIMEOUT
        }
    }

    /// How many clients were disconnected because they did not read.
    pub(super) fn given_up(&self) -> watch::Receiver<u64> {
        self.given_up.subscribe()
    }

    /// One client more is disconnected for that.
    pub(super) fn give_up(&self) {
        self.count_given_up(1);
        warn!(
            "a client is disconnected: it did not read for too long what was sent to it, and as much as \
             may wait for it does (--client-buffer, STICKY_CLIENT_BUFFER)"
        );
    }

    pub(super) fn count_given_up(&self, clients: usize) {
        self.given_up.send_modify(|given_up| *given_up += clients as u64);
    }
}
