//! Messages on their way from the connection to the adapter: bounded by what they weigh, so that
//! neither a slow worker fills its memory nor a burst of small messages is lost.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use socketioxide_redis::drivers::{ChanItem, MessageStream};
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::losses::Losses;
use crate::backlog::Backlogs;
use crate::namespaces::Namespaces;

/// Bytes that may wait, of all channels together. Redis itself gives up on a subscriber that lets
/// 32 MB wait (`client-output-buffer-limit pubsub`), so they have to be taken from it at once.
const CAPACITY: usize = 64 << 20;

/// What a message weighs beside its bytes.
const ENVELOPE: usize = 128;

/// Handed on and not yet taken; these weigh nothing any more, so they are few.
const AT_HAND: usize = 16;

/// Channels that are listened to, and where their messages go.
#[derive(Debug)]
pub(super) struct ReceiveQueues {
    channels: RwLock<HashMap<String, UnboundedSender<Received>>>,
    capacity: Arc<Semaphore>,
    losses: Arc<Losses>,
    backlogs: Backlogs,
    pub(super) namespaces: Namespaces,
}

#[derive(Debug)]
struct Received {
    message: Vec<u8>,
    permit: OwnedSemaphorePermit,
}

impl ReceiveQueues {
    pub(super) fn new(losses: Arc<Losses>, backlogs: &Backlogs) -> Self {
        Self {
            channels: RwLock::default(),
            capacity: Arc::new(Semaphore::new(CAPACITY)),
            losses,
            backlogs: backlogs.clone(),
            namespaces: Namespaces::new(backlogs.clone()),
        }
    }

    /// Begins to take messages of `channel`; a stream that had them before gets no more.
    pub(super) fn open(&self, channel: &str) -> MessageStream<ChanItem> {
        let (queue, mut waiting) = mpsc::unbounded_channel::<Received>();
        let (at_hand, messages) = mpsc::channel(AT_HAND);
        self.write().insert(channel.to_owned(), queue);
        let (channel, namespaces) = (channel.to_owned(), self.namespaces.clone());
        let (all, backlogs) = (Arc::clone(&self.capacity), self.backlogs.clone());
        tokio::spawn(async move {
            while let Some(Received { message, permit }) = waiting.recv().await {
                match namespaces.of_channel(&channel) {
                    Some(namespace) => namespaces.handle(&namespace, &message).await,
                    None if at_hand.send((channel.clone(), message)).await.is_err() => return,
                    None => {}
                }
                drop(permit);
                backlogs.set_pressed(is_scarce(&all));
            }
        });
        MessageStream::new(messages)
    }

    /// The channels whose messages are wanted.
    pub(super) fn channels(&self) -> BTreeSet<String> {
        self.read().keys().cloned().collect()
    }

    pub(super) fn close(&self, channel: &str) {
        self.write().remove(channel);
    }

    /// Takes a message; never waits.
    pub(super) fn put(&self, channel: &str, message: Vec<u8>) {
        let channels = self.read();
        // Not there: it was closed while the message was on its way.
        let Some(queue) = channels.get(channel) else { return };
        // A message that is larger gets through when nothing else waits.
        let weight = (message.len() + ENVELOPE).min(CAPACITY);
        let permit = u32::try_from(weight)
            .ok()
            .and_then(|weight| Arc::clone(&self.capacity).try_acquire_many_owned(weight).ok());
        if let Some(permit) = permit {
            // Fails when the adapter has gone.
            drop(queue.send(Received { message, permit }));
        } else {
            self.losses.one(
                "it came faster than this worker could handle it; all its clients are disconnected, \
                 so that they know",
            );
            self.backlogs.end_all();
        }
        if is_scarce(&self.capacity) {
            self.backlogs.set_pressed(true);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, UnboundedSender<Received>>> {
        self.channels.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, UnboundedSender<Received>>> {
        self.channels.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether half of the capacity is taken.
fn is_scarce(capacity: &Semaphore) -> bool {
    capacity.available_permits() < CAPACITY / 2
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::Pin;

    use socketioxide_core::Sid;

    use super::*;
    use crate::backlog::Backlog;
    use crate::health::HealthReporter;

    async fn next(stream: &mut MessageStream<ChanItem>) -> Option<ChanItem> {
        poll_fn(|cx| futures_core::Stream::poll_next(Pin::new(&mut *stream), cx)).await
    }

    #[tokio::test]
    async fn messages_wait_in_order_until_there_is_no_capacity() {
        let health = HealthReporter::default();
        let losses = Arc::new(Losses::new(health.clone()));
        let backlogs = Backlogs::default();
        let client = Backlog::new(&backlogs);
        client.named(Sid::new());
        let receive_queues = ReceiveQueues::new(losses, &backlogs);
        let mut stream = receive_queues.open("a");
        let messages = 20_000_u32;
        for number in 0..messages {
            receive_queues.put("a", number.to_be_bytes().into());
            receive_queues.put("b", vec![0]);
        }
        for number in 0..messages {
            assert_eq!(next(&mut stream).await, Some(("a".into(), number.to_be_bytes().into())));
        }
        assert!(health.watch().borrow().dropped == 0 && !client.is_given_up());

        let large = vec![1; CAPACITY / 4];
        for _ in 0..8 {
            receive_queues.put("a", large.clone());
        }
        let dropped = health.watch().borrow().dropped;
        assert!((4..=5).contains(&dropped), "{dropped}");
        assert!(client.is_given_up(), "it has to know");
        for _ in dropped..8 {
            assert_eq!(next(&mut stream).await, Some(("a".into(), large.clone())));
        }
        receive_queues.put("a", vec![2; 2 * CAPACITY]);
        assert_eq!(next(&mut stream).await.unwrap().1.len(), 2 * CAPACITY);
        receive_queues.close("a");
        receive_queues.put("a", vec![3]);
        assert_eq!(next(&mut stream).await, None);
    }
}
