//! What waits to be written to one subscriber. How much that may be, the [`budget`](super::budget) says.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::budget::Reservation;

/// A frame that is to be written, shared by the queues that it waits in.
#[derive(Debug)]
pub(super) struct QueuedFrame {
    bytes: Vec<u8>,
    /// Whether it is a message, which is lost when it cannot be written.
    is_message: bool,
    _reservation: Reservation,
}

/// The end that frames are put into.
#[derive(Debug)]
pub(super) struct Sender {
    frames: UnboundedSender<Entry>,
    progress: Arc<WriteProgress>,
}

/// The end that they are written from.
#[derive(Debug)]
pub(super) struct Receiver {
    frames: UnboundedReceiver<Entry>,
    /// What is being written, and how much of it was.
    current: Option<(Entry, usize)>,
    progress: Arc<WriteProgress>,
}

/// A frame in a queue, and the room that it takes there.
#[derive(Debug)]
struct Entry {
    frame: Arc<QueuedFrame>,
    _place: Reservation,
}

/// How far the writing of a queue is.
#[derive(Debug, Default)]
struct WriteProgress {
    /// Frames that are not written.
    waiting: AtomicUsize,
    /// Bytes that were.
    written: AtomicU64,
}

impl QueuedFrame {
    pub(super) fn message(bytes: Vec<u8>, reservation: Reservation) -> Arc<Self> {
        Arc::new(Self { bytes, is_message: true, _reservation: reservation })
    }

    pub(super) fn answer(bytes: Vec<u8>, reservation: Reservation) -> Arc<Self> {
        Arc::new(Self { bytes, is_message: false, _reservation: reservation })
    }
}

pub(super) fn new() -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let progress = Arc::new(WriteProgress::default());
    let sender = Sender { frames: sender, progress: Arc::clone(&progress) };
    (sender, Receiver { frames: receiver, current: None, progress })
}

impl Sender {
    /// Puts a frame into the queue, where it takes a place. `false` when the link no longer writes.
    pub(super) fn put(&self, frame: Arc<QueuedFrame>, place: Reservation) -> bool {
        // Counted before it can be written.
        self.progress.waiting.fetch_add(1, Ordering::Relaxed);
        self.frames.send(Entry { frame, _place: place }).is_ok()
    }

    /// The bytes that were written so far, while there is more to write.
    pub(super) fn waits_at(&self) -> Option<u64> {
        let waits = self.progress.waiting.load(Ordering::Relaxed) > 0;
        waits.then(|| self.progress.written.load(Ordering::Relaxed))
    }
}

impl Receiver {
    /// Writes what waits and what comes, until no more will come. A call whose future is dropped in the middle can
    /// be followed by another.
    pub(super) async fn write_to(
        &mut self,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        loop {
            if self.current.is_none() {
                self.current = self.frames.recv().await.map(|next| (next, 0));
            }
            let Some((Entry { frame, .. }, written)) = &mut self.current else {
                return Ok(());
            };
            let left = frame.bytes.get(*written..).unwrap_or_default();
            if left.is_empty() {
                self.current = None;
                self.progress.waiting.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let more = writer.write(left).await?;
            if more == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            *written += more;
            self.progress.written.fetch_add(more as u64, Ordering::Relaxed);
        }
    }

    /// Ends the queue: how many messages were not written.
    pub(super) fn end(mut self) -> u64 {
        self.frames.close();
        let mut lost = 0;
        let mut next = self.current.take().map(|(current, _)| current);
        while let Some(waiting) = next {
            lost += u64::from(waiting.frame.is_message);
            next = self.frames.try_recv().ok();
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::super::budget::{BUDGET, Budget};
    use super::*;

    fn put(queue: &Sender, budget: &Budget, bytes: &[u8]) -> bool {
        let mut reservation = budget.try_reserve(bytes.len(), 1).unwrap();
        let place = reservation.place();
        queue.put(QueuedFrame::message(bytes.into(), reservation), place)
    }

    #[tokio::test]
    async fn what_waits_is_written_in_order_and_given_back() {
        let budget = Budget::default();
        let (sender, mut receiver) = new();
        assert_eq!(sender.waits_at(), None);
        assert!(put(&sender, &budget, b"one ") && put(&sender, &budget, b"two"));
        assert_eq!(sender.waits_at(), Some(0));
        drop(sender);
        let mut written = Vec::new();
        receiver.write_to(&mut written).await.unwrap();
        assert_eq!(written, b"one two");
        assert_eq!((receiver.end(), budget.left()), (0, BUDGET));
    }

    #[tokio::test]
    async fn a_writing_that_was_broken_off_is_gone_on_with() {
        let budget = Budget::default();
        let (sender, mut receiver) = new();
        let (mut near, mut far) = tokio::io::duplex(10);
        put(&sender, &budget, &[7; 25]);
        put(&sender, &budget, &[8; 5]);
        let mut read = vec![0; 10];
        tokio::select! {
            biased;
            ended = receiver.write_to(&mut near) => panic!("{ended:?}"),
            () = tokio::task::yield_now() => {}
        }
        assert_eq!(sender.waits_at(), Some(10), "that is all that fits");
        far.read_exact(&mut read).await.unwrap();
        drop(sender);
        let mut rest = Vec::new();
        let writing = async {
            receiver.write_to(&mut near).await.unwrap();
            drop(near);
        };
        let ((), all) = tokio::join!(writing, far.read_to_end(&mut rest));
        all.unwrap();
        read.append(&mut rest);
        assert_eq!(read, [[7; 25].as_slice(), &[8; 5]].concat());
    }

    #[tokio::test]
    async fn what_was_not_written_is_counted() {
        let budget = Budget::default();
        let (sender, mut receiver) = new();
        let (mut near, _far) = tokio::io::duplex(10);
        put(&sender, &budget, &[7; 25]);
        put(&sender, &budget, &[8; 5]);
        sender.put(
            QueuedFrame::answer(vec![9], budget.reserve_one().await),
            budget.reserve_one().await,
        );
        tokio::select! {
            biased;
            ended = receiver.write_to(&mut near) => panic!("{ended:?}"),
            () = tokio::task::yield_now() => {}
        }
        assert_eq!((receiver.end(), budget.left()), (2, BUDGET));
        assert!(!put(&sender, &budget, b"nobody reads this"));
        assert_eq!(budget.left(), BUDGET);
    }
}
