//! The workers that hear this one, and which channels each of them wants.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sticky_contract::SlotId;
use tokio_util::sync::DropGuard;

use super::budget::Reservation;
use super::queue::{self, QueuedFrame};

/// What the names of the channels that one subscriber wants may weigh, in bytes: those of ten thousand
/// namespaces.
const MAX_NAMES: usize = 4 << 20;

/// What a channel weighs beside its name.
const CHANNEL: usize = 64;

/// As often in a row may a subscriber read nothing and say that it is there: a worker waits for its slow
/// clients, and gives them up in time.
const MAX_STALLED: u32 = 8;

/// All of them, by a number of their subscriber.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    by_link: HashMap<u64, Subscriber>,
    next: u64,
}

/// A worker that hears this one.
#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) node: u64,
    pub(super) slot: SlotId,
    pub(super) queue: queue::Sender,
    /// It has said which channels it wants.
    pub(super) is_synced: bool,
    /// So many frames have come from it.
    pub(super) frames: u64,
    /// As often in a row has it read nothing, and said that it is there.
    stalled: u32,
    channels: HashSet<String>,
    names: usize,
    /// Tells the task of this link when it is given up.
    _open: DropGuard,
}

impl Subscribers {
    pub(super) fn add(&mut self, subscriber: Subscriber) -> u64 {
        let id = self.next;
        self.next += 1;
        self.by_link.insert(id, subscriber);
        id
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.by_link.remove(&id);
    }

    pub(super) fn get(&mut self, id: u64) -> Option<&mut Subscriber> {
        self.by_link.get_mut(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.by_link.len()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Subscriber> {
        self.by_link.values()
    }

    pub(super) fn wanting(&self, channel: &str) -> impl Iterator<Item = &Subscriber> {
        self.all().filter(move |subscriber| subscriber.channels.contains(channel))
    }

    /// Puts a message into the queues of all that want it; returns how many these are.
    pub(super) fn put(
        &self,
        channel: &str,
        message: Vec<u8>,
        mut reservation: Reservation,
    ) -> usize {
        let reached = self.wanting(channel).count();
        // The places are split off before the rest goes with the message.
        let mut places = reservation.places(reached);
        let frame = QueuedFrame::message(message, reservation);
        for subscriber in self.wanting(channel) {
            // Not put: its link is about to be taken out.
            subscriber.queue.put(Arc::clone(&frame), places.place());
        }
        reached
    }

    /// How far the queues are in which something waits, and how much their readers have said.
    pub(super) fn progress(&self) -> HashMap<u64, (u64, u64)> {
        let waiting = |(&id, subscriber): (&u64, &Subscriber)| {
            Some((id, (subscriber.queue.waits_at()?, subscriber.frames)))
        };
        self.by_link.iter().filter_map(waiting).collect()
    }

    /// Takes out the subscribers that have not read anything since, and not said that they are there either.
    pub(super) fn give_up_stuck_since(&mut self, before: &HashMap<u64, (u64, u64)>) {
        self.by_link.retain(|id, subscriber| {
            let reads =
                before.get(id).is_none_or(|(at, _)| subscriber.queue.waits_at() != Some(*at));
            let speaks = before.get(id).is_none_or(|(_, said)| subscriber.frames != *said);
            subscriber.stalled = if reads { 0 } else { subscriber.stalled + 1 };
            reads || speaks && subscriber.stalled <= MAX_STALLED
        });
    }
}

impl Subscriber {
    pub(super) fn new(node: u64, slot: SlotId, queue: queue::Sender, open: DropGuard) -> Self {
        let channels = HashSet::new();
        Self {
            node,
            slot,
            queue,
            is_synced: false,
            frames: 0,
            stalled: 0,
            channels,
            names: 0,
            _open: open,
        }
    }

    /// `false` when it wants too many.
    pub(super) fn subscribe(&mut self, channel: String) -> bool {
        let weight = channel.len() + CHANNEL;
        if self.channels.contains(&channel) {
            return true;
        }
        if self.names + weight > MAX_NAMES {
            return false;
        }
        self.names += weight;
        self.channels.insert(channel)
    }

    pub(super) fn unsubscribe(&mut self, channel: &str) {
        if self.channels.remove(channel) {
            self.names -= channel.len() + CHANNEL;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[test]
    fn what_one_wants_is_bounded() {
        let open = CancellationToken::new();
        let mut subscriber = Subscriber::new(1, SlotId::FIRST, queue::new().0, open.drop_guard());
        let name = |number: usize| format!("{number:01000}");
        let most = MAX_NAMES / (1000 + CHANNEL);
        assert!((0..most).all(|number| subscriber.subscribe(name(number))));
        assert!(!subscriber.subscribe(name(most)));
        assert!(subscriber.subscribe(name(0)), "it has that one");
        subscriber.unsubscribe(&name(most));
        assert!(!subscriber.subscribe(name(most)));
        subscriber.unsubscribe(&name(0));
        assert!(subscriber.subscribe(name(most)));
    }
}
