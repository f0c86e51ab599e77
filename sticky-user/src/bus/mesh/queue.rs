//! What waits to be written to one subscriber: bounded, so that one that does not read neither
//! stops the others nor fills the memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

/// Messages that may wait for one subscriber.
const MOST_FRAMES: usize = 65_536;

/// Bytes that may wait for one subscriber. One message may be as large as this.
const MOST_BYTES: usize = 128 << 20;

/// The end that frames are put into.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    frames: mpsc::Sender<Arc<[u8]>>,
    waiting: Arc<AtomicUsize>,
}

/// The end that they are written from.
#[derive(Debug)]
pub(super) struct Receiver {
    frames: mpsc::Receiver<Arc<[u8]>>,
    waiting: Arc<AtomicUsize>,
}

pub(super) fn new() -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::channel(MOST_FRAMES);
    let waiting = Arc::new(AtomicUsize::new(0));
    (
        Sender { frames: sender, waiting: Arc::clone(&waiting) },
        Receiver { frames: receiver, waiting },
    )
}

impl Sender {
    /// Puts a frame into the queue. `false` when there is no room for it, or nobody to read it.
    pub(super) fn put(&self, frame: Arc<[u8]>) -> bool {
        let length = frame.len();
        if self.waiting.fetch_add(length, Ordering::Relaxed) + length > MOST_BYTES
            || self.frames.try_send(frame).is_err()
        {
            self.waiting.fetch_sub(length, Ordering::Relaxed);
            return false;
        }
        true
    }
}

impl Receiver {
    /// Waits for the next frame; `None` when no more will come.
    pub(super) async fn next(&mut self) -> Option<Arc<[u8]>> {
        let frame = self.frames.recv().await?;
        self.waiting.fetch_sub(frame.len(), Ordering::Relaxed);
        Some(frame)
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
        receiver.next().await.unwrap();
        assert!(sender.put(vec![0].into()));
        drop(receiver);
        assert!(!sender.put(vec![0].into()));
    }
}
