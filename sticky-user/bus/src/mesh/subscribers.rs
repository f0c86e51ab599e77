//! The workers that hear this one, and what each of them wants.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio_util::sync::DropGuard;

use super::budget::Room;
use super::queue::{self, Parcel};

/// What the names of the channels that one subscriber wants may weigh, in bytes: those of ten thousand
/// namespaces.
const MOST_NAMES: usize = 4 << 20;

/// What a channel weighs beside its name.
const CHANNEL: usize = 64;

/// As often in a row may one read nothing and say that it is there: a worker waits for its slow clients,
/// and gives them up in time.
const MOST_HELD: u32 = 8;

/// All of them, by a number of their link.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    links: HashMap<u64, Link>,
    next: u64,
}

/// A subscriber.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) node: u64,
    pub(super) slot: u32,
    pub(super) queue: queue::Sender,
    /// It has said what it wants.
    pub(super) settled: bool,
    /// So much has it said.
    pub(super) said: u64,
    held: u32,
    channels: HashSet<String>,
    names: usize,
    /// Tells the task of this link when it is given up.
    _open: DropGuard,
}

impl Subscribers {
    pub(super) fn add(&mut self, link: Link) -> u64 {
        let id = self.next;
        self.next += 1;
        self.links.insert(id, link);
        id
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.links.remove(&id);
    }

    pub(super) fn get(&mut self, id: u64) -> Option<&mut Link> {
        self.links.get_mut(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    pub(super) fn wanting(&self, channel: &str) -> impl Iterator<Item = &Link> {
        self.all().filter(move |link| link.channels.contains(channel))
    }

    /// Puts a message into the queues of all that want it; returns how many these are.
    pub(super) fn put(&self, channel: &str, message: Vec<u8>, mut room: Room) -> usize {
        // The places are split off before the rest goes with the message.
        let queues: Vec<_> =
            self.wanting(channel).map(|link| (&link.queue, room.place())).collect();
        let parcel = Parcel::message(message, room);
        let reached = queues.len();
        for (queue, place) in queues {
            // Not put: its link is about to be taken out.
            queue.put(Arc::clone(&parcel), place);
        }
        reached
    }

    /// How far the queues are in which something waits, and how much their readers have said.
    pub(super) fn progress(&self) -> HashMap<u64, (u64, u64)> {
        let waiting = |(&id, link): (&u64, &Link)| Some((id, (link.queue.waits_at()?, link.said)));
        self.links.iter().filter_map(waiting).collect()
    }

    /// Takes out those that have not read anything since, and not said that they are there either.
    pub(super) fn give_up_stuck_since(&mut self, before: &HashMap<u64, (u64, u64)>) {
        self.links.retain(|id, link| {
            let reads = before.get(id).is_none_or(|(at, _)| link.queue.waits_at() != Some(*at));
            let speaks = before.get(id).is_none_or(|(_, said)| link.said != *said);
            link.held = if reads { 0 } else { link.held + 1 };
            reads || speaks && link.held <= MOST_HELD
        });
    }
}

impl Link {
    pub(super) fn new(node: u64, slot: u32, queue: queue::Sender, open: DropGuard) -> Self {
        let channels = HashSet::new();
        Self {
            node,
            slot,
            queue,
            settled: false,
            said: 0,
            held: 0,
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
        if self.names + weight > MOST_NAMES {
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
        let mut link = Link::new(1, 2, queue::new().0, open.drop_guard());
        let name = |number: usize| format!("{number:01000}");
        let most = MOST_NAMES / (1000 + CHANNEL);
        assert!((0..most).all(|number| link.subscribe(name(number))));
        assert!(!link.subscribe(name(most)));
        assert!(link.subscribe(name(0)), "it has that one");
        link.unsubscribe(&name(most));
        assert!(!link.subscribe(name(most)));
        link.unsubscribe(&name(0));
        assert!(link.subscribe(name(most)));
    }
}
