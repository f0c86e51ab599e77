//! What waits to be written to one subscriber: bounded, so that one that does not read neither
//! stops the others nor fills the memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::{Notify, mpsc};

/// Messages that may wait for one subscriber.
const MOST_FRAMES: usize = 65_536;

/// Bytes that may wait for one subscriber. One message may be as large as this.
const MOST_BYTES: usize = 128 << 20;

/// The end that frames are put into.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    frames: mpsc::Sender<Arc<[u8]>>,
    level: Arc<Level>,
}

/// The end that they are written from.
#[derive(Debug)]
pub(super) struct Receiver {
    frames: mpsc::Receiver<Arc<[u8]>>,
    level: Arc<Level>,
}

/// How full a queue is.
#[derive(Debug, Default)]
struct Level {
    frames: AtomicUsize,
    bytes: AtomicUsize,
    fell: Notify,
    /// Its reader does not read: nothing is put into it until it is low again.
    stalled: AtomicBool,
}

impl Level {
    fn is_low(&self) -> bool {
        self.frames.load(Ordering::Relaxed) <= MOST_FRAMES / 2
            && self.bytes.load(Ordering::Relaxed) <= MOST_BYTES / 2
    }
}

pub(super) fn new() -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::channel(MOST_FRAMES);
    let level = Arc::new(Level::default());
    (Sender { frames: sender, level: Arc::clone(&level) }, Receiver { frames: receiver, level })
}

impl Sender {
    /// Puts a frame into the queue. `false` when there is no room for it, or nobody to read it.
    pub(super) fn put(&self, frame: Arc<[u8]>) -> bool {
        let length = frame.len();
        if self.level.bytes.load(Ordering::Relaxed) + length > MOST_BYTES {
            return false;
        }
        // Counted before it can be read.
        self.level.frames.fetch_add(1, Ordering::Relaxed);
        self.level.bytes.fetch_add(length, Ordering::Relaxed);
        let put = self.frames.try_send(frame).is_ok();
        if !put {
            self.level.frames.fetch_sub(1, Ordering::Relaxed);
            self.level.bytes.fetch_sub(length, Ordering::Relaxed);
        }
        put
    }

    /// Its reader does not read. `false` when that was known.
    pub(super) fn stall(&self) -> bool {
        !self.level.stalled.swap(true, Ordering::Relaxed)
    }

    /// Whether it does not.
    pub(super) fn is_stalled(&self) -> bool {
        self.level.stalled.load(Ordering::Relaxed)
    }

    /// Whether at most half of it is full.
    pub(super) fn is_low(&self) -> bool {
        self.level.is_low()
    }

    /// Waits until it is.
    pub(super) async fn low(&self) {
        loop {
            let fell = self.level.fell.notified();
            if self.is_low() {
                return;
            }
            fell.await;
        }
    }
}

impl Receiver {
    /// Waits for the next frame; `None` when no more will come.
    pub(super) async fn next(&mut self) -> Option<Arc<[u8]>> {
        let frame = self.frames.recv().await?;
        self.level.frames.fetch_sub(1, Ordering::Relaxed);
        self.level.bytes.fetch_sub(frame.len(), Ordering::Relaxed);
        if self.level.is_low() {
            self.level.fell.notify_waiters();
        }
        Some(frame)
    }

    /// Whether its reader, which did not read, has read half of it again; `true` once.
    pub(super) fn recovered(&self) -> bool {
        self.level.stalled.load(Ordering::Relaxed)
            && self.level.is_low()
            && self.level.stalled.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_are_bounded() {
        let (sender, mut receiver) = new();
        let half: Arc<[u8]> = vec![0; MOST_BYTES / 2].into();
        assert!(sender.put(Arc::clone(&half)));
        assert!(sender.put(Arc::clone(&half)));
        assert!(!sender.put(vec![0].into()));
        assert!(!sender.is_low());
        receiver.next().await.unwrap();
        sender.low().await;
        assert!(sender.put(vec![0].into()));
        drop(receiver);
        assert!(!sender.put(vec![0].into()));
    }
}
