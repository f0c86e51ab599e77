//! Which worker still owes an answer to which request.
//!
//! The adapter asks all workers and waits for as many answers, at most for its time-out. When a
//! worker dies, nobody needs to wait for it: its answers are stood in for.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::de::IgnoredAny;
use socketioxide::{AckError, SocketError};
use socketioxide_core::adapter::remote_packet::{Response, ResponseType};
use socketioxide_core::{Sid, Uid};
use socketioxide_redis::read_req_id;

use super::request::{Kind, Request};
use super::subscriber::Wishes;

/// A request that is older has long run into the adapter's time-out.
const OLD: Duration = Duration::from_mins(10);

#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    requests: HashMap<Sid, Owed>,
    /// Workers that have gone: what they are asked all the same is stood in for at once.
    gone: HashSet<u64>,
}

/// What is owed to one request.
#[derive(Debug)]
struct Owed {
    request: Request,
    since: Instant,
    /// By worker: the acks that it has announced and not sent; `None` before it says how many.
    by: HashMap<u64, Option<u32>>,
}

impl Ledger {
    /// `payload` goes to `receivers`: notes what they owe if it is a request that they answer.
    pub(super) fn asked(
        &self,
        channel: &str,
        payload: &[u8],
        receivers: Vec<u64>,
        wishes: &Wishes,
    ) {
        let Some(request) = Request::read(channel, payload) else {
            return;
        };
        let mut book = self.lock();
        let (gone, there): (Vec<u64>, _) =
            receivers.into_iter().partition(|node| book.gone.contains(node));
        // A question to one worker alone is answered by one: by nobody, where it has gone.
        let nobody = usize::from(request.to_one && gone.is_empty() && there.is_empty());
        for _ in 0..gone.len() + nobody {
            wishes.stand_in(&request.answers, request.stand_ins(None));
        }
        if there.is_empty() {
            return;
        }
        book.requests.retain(|_, owed| owed.since.elapsed() < OLD);
        let by = there.into_iter().map(|node| (node, None)).collect();
        book.requests.insert(request.id, Owed { request, since: Instant::now(), by });
    }

    /// `node` is there (again).
    pub(super) fn came(&self, node: u64) {
        self.lock().gone.remove(&node);
    }

    /// `payload` came from `node`: crosses out what it answers.
    pub(super) fn heard(&self, node: u64, channel: &str, payload: &[u8]) {
        let Some(id) = read_req_id(payload) else {
            return;
        };
        let ledger = &mut self.lock().requests;
        let Some(owed) = ledger.get_mut(&id).filter(|owed| owed.request.answers == channel) else {
            return;
        };
        match owed.request.kind {
            Kind::Rooms | Kind::Sockets => {
                owed.by.remove(&node);
            }
            Kind::Acks => owed.ack(node, payload),
        }
        if owed.by.is_empty() {
            ledger.remove(&id);
        }
    }

    /// `node` has gone: gives the answers that it owes in its place.
    pub(super) fn gone(&self, node: u64, wishes: &Wishes) {
        let mut book = self.lock();
        book.gone.insert(node);
        book.requests.retain(|_, owed| {
            if let Some(acks) = owed.by.remove(&node) {
                wishes.stand_in(&owed.request.answers, owed.request.stand_ins(acks));
            }
            !owed.by.is_empty()
        });
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Owed {
    fn ack(&mut self, node: u64, payload: &[u8]) {
        let left = match read_response(payload) {
            Some(ResponseType::BroadcastAckCount(count)) => count,
            Some(ResponseType::BroadcastAck(_)) => {
                let announced = self.by.get(&node).copied().flatten();
                announced.unwrap_or_default().saturating_sub(1)
            }
            _ => return,
        };
        if left == 0 {
            self.by.remove(&node);
        } else if let Some(owed) = self.by.get_mut(&node) {
            *owed = Some(left);
        }
    }
}

fn read_response(payload: &[u8]) -> Option<ResponseType<IgnoredAny>> {
    let (_, response): (Sid, Response<IgnoredAny>) = rmp_serde::from_slice(payload).ok()?;
    Some(response.r#type)
}

impl Request {
    /// The answers that a worker would have given that serves nobody; for acks, an error for each
    /// that it had announced.
    fn stand_ins(&self, acks: Option<u32>) -> Vec<Vec<u8>> {
        let answers = match (self.kind, acks) {
            (Kind::Rooms, _) => vec![ResponseType::AllRooms(HashSet::default())],
            (Kind::Sockets, _) => vec![ResponseType::FetchSockets(Vec::new())],
            (Kind::Acks, None) => vec![ResponseType::BroadcastAckCount(0)],
            (Kind::Acks, Some(left)) => (0..left).map(|_| lost()).collect(),
        };
        let encode =
            |r#type| rmp_serde::to_vec(&(self.id, Response { node_id: Uid::new(), r#type }));
        // Of these types, all can be encoded.
        answers.into_iter().filter_map(|answer| encode(answer).ok()).collect()
    }
}

/// The ack of a client that nobody knows: an id of zeros could not be read.
fn lost() -> ResponseType<AckError> {
    ResponseType::BroadcastAck((Sid::new(), Err(AckError::Socket(SocketError::Closed))))
}
