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
pub(super) struct Ledger(Mutex<HashMap<Sid, Owed>>);

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
    pub(super) fn asked(&self, channel: &str, payload: &[u8], receivers: Vec<u64>) {
        if receivers.is_empty() {
            return;
        }
        let Some(request) = Request::read(channel, payload) else {
            return;
        };
        let mut ledger = self.lock();
        ledger.retain(|_, owed| owed.since.elapsed() < OLD);
        let by = receivers.into_iter().map(|node| (node, None)).collect();
        ledger.insert(request.id, Owed { request, since: Instant::now(), by });
    }

    /// `payload` came from `node`: crosses out what it answers.
    pub(super) fn heard(&self, node: u64, channel: &str, payload: &[u8]) {
        let Some(id) = read_req_id(payload) else {
            return;
        };
        let mut ledger = self.lock();
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
        let mut answers = Vec::new();
        self.lock().retain(|_, owed| {
            if let Some(acks) = owed.by.remove(&node) {
                answers.push((owed.request.answers.clone(), owed.request.stand_ins(acks)));
            }
            !owed.by.is_empty()
        });
        for (channel, payloads) in answers {
            let Some(receiver) = wishes.receiver(&channel) else {
                continue;
            };
            tokio::spawn(async move {
                for payload in payloads {
                    // Whoever asked may have stopped waiting.
                    let _ = receiver.send((channel.clone(), payload)).await;
                }
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Sid, Owed>> {
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
            |r#type| rmp_serde::to_vec(&(self.id, Response { node_id: Uid::ZERO, r#type }));
        // Of these types, all can be encoded.
        answers.into_iter().filter_map(|answer| encode(answer).ok()).collect()
    }
}

fn lost() -> ResponseType<AckError> {
    ResponseType::BroadcastAck((Sid::ZERO, Err(AckError::Socket(SocketError::Closed))))
}
