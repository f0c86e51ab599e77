//! Whether a connection lives: what has been heard on it, and why it is given up.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use redis::{PushInfo, PushKind, Value};
use tokio_util::sync::CancellationToken;

use super::receive_queue::ReceiveQueues;

#[derive(Debug, Default)]
pub(super) struct Liveness {
    beats: AtomicU64,
    /// Why the connection is lost. The first reason counts: others follow from it.
    reason: OnceLock<String>,
    lost: CancellationToken,
    /// Channels that the server has been asked to send no longer.
    leaving: Mutex<HashSet<String>>,
}

impl Liveness {
    /// Something came.
    pub(super) fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// The connection is of no use any more.
    pub(super) fn lose(&self, reason: impl Into<String>) {
        let _ = self.reason.set(reason.into());
        self.lost.cancel();
    }

    /// Waits until it is lost.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    pub(super) fn reason(&self) -> &str {
        self.reason.get().map_or("", String::as_str)
    }

    pub(super) fn leave(&self, channels: &[String]) {
        self.lock().extend(channels.iter().cloned());
    }

    /// The server will not say any more of that: it has answered.
    pub(super) fn left(&self, channels: &[String]) {
        let mut leaving = self.lock();
        for channel in channels {
            leaving.remove(channel);
        }
    }

    /// Takes what the server says unasked.
    pub(super) fn hear(&self, push: PushInfo, receive_queues: &ReceiveQueues) {
        self.beat();
        let mut data = push.data.into_iter();
        let mut text = || match data.next() {
            Some(Value::BulkString(text)) => Some(text),
            _ => None,
        };
        match push.kind {
            PushKind::Disconnection => self.lose("the connection was closed"),
            PushKind::Message | PushKind::SMessage => {
                if let (Some(channel), Some(message)) = (text(), text())
                    && let Ok(channel) = str::from_utf8(&channel)
                    // A lost connection has a successor, which hears the same.
                    && !self.lost.is_cancelled()
                {
                    receive_queues.put(channel, message);
                }
            }
            PushKind::SUnsubscribe => {
                let channel = text().and_then(|channel| String::from_utf8(channel).ok());
                // Unasked, the client library takes it for the answer to something else, and from
                // then on gives wrong answers: the connection has to go.
                if !channel.is_some_and(|channel| self.lock().remove(&channel)) {
                    self.lose("a part of the cluster has moved to another node");
                }
            }
            _ => {}
        }
    }

    #[cfg(test)]
    pub(super) fn leaving(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::backlog::Backlogs;
    use crate::health::HealthReporter;
    use crate::redis::losses::Losses;

    fn push(kind: PushKind, text: &[&str]) -> PushInfo {
        let data = text.iter().map(|text| Value::BulkString(text.as_bytes().into())).collect();
        PushInfo { kind, data }
    }

    #[tokio::test]
    async fn a_subscriber_that_is_sent_away_unasked_has_to_come_anew() {
        let losses = Arc::new(Losses::new(HealthReporter::default()));
        let receive_queues = ReceiveQueues::new(losses, &Backlogs::default());
        let liveness = Liveness::default();
        liveness.leave(&["a".into()]);
        liveness.hear(push(PushKind::SSubscribe, &["a"]), &receive_queues);
        liveness.hear(push(PushKind::SMessage, &["a", "b"]), &receive_queues);
        liveness.hear(push(PushKind::SUnsubscribe, &["a"]), &receive_queues);
        assert!(!liveness.lost.is_cancelled());
        liveness.hear(push(PushKind::SUnsubscribe, &["a"]), &receive_queues);
        assert!(liveness.lost.is_cancelled());
        liveness.hear(push(PushKind::Disconnection, &[]), &receive_queues);
        assert_eq!(liveness.reason(), "a part of the cluster has moved to another node");
        assert_eq!(liveness.beats(), 5);
    }
}
