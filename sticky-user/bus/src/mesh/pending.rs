//! Which worker still owes a response to which request.
//!
//! The adapter asks all workers and waits for as many responses, at most for its time-out. When a
//! worker dies, nobody needs to wait for it: its responses are stood in for.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::de::IgnoredAny;
use socketioxide_core::Sid;
use socketioxide_core::adapter::remote_packet::{Response, ResponseType};
use socketioxide_redis::read_req_id;
use sticky_contract::SlotId;

use super::request::{Kind, Request};
use super::stand_ins::StandIns;

/// A request that is older has long run into the adapter's time-out.
const MAX_AGE: Duration = Duration::from_mins(10);

/// Requests that are noted. For an older one that is not responded to, the adapter waits until its time-out.
const MAX_REQUESTS: usize = 65_536;

/// Acks that one worker can owe to a request: far more than it can have clients.
const MAX_ACKS: u32 = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct PendingResponses(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    requests: HashMap<Sid, Pending>,
    /// All of these and some that are responded to, the oldest first.
    by_age: VecDeque<(Instant, Sid)>,
    /// By slot, the worker that has gone last: what it is asked all the same, while its other link is
    /// not known to be closed, is stood in for at once.
    gone: HashMap<SlotId, u64>,
}

/// What is owed to one request.
#[derive(Debug)]
struct Pending {
    request: Request,
    /// By worker: the acks that it has announced and not sent; `None` before it says how many.
    owed_by: HashMap<u64, Option<u32>>,
}

impl PendingResponses {
    /// The request goes to `receivers`, which owe a response from now on. Those that cannot give it are
    /// stood in for.
    pub(super) fn expect(&self, request: Request, receivers: Vec<u64>) -> Vec<StandIns> {
        let mut state = self.lock();
        let (gone, there): (Vec<u64>, Vec<u64>) =
            receivers.into_iter().partition(|node| state.gone.values().any(|gone| gone == node));
        // A question to one worker alone is answered by one: by nobody, where it has gone.
        let nobody = usize::from(request.to_one && gone.is_empty() && there.is_empty());
        let stand_ins = vec![request.stand_ins(None); gone.len() + nobody];
        if !there.is_empty() {
            let owed_by = there.into_iter().map(|node| (node, None)).collect();
            state.note(Pending { request, owed_by }, Instant::now());
        }
        stand_ins
    }

    /// `payload` came from `node`: crosses out what it responds to. `false` when it responds to nothing
    /// that the worker was asked: then it is not for the adapter.
    pub(super) fn received(&self, node: u64, channel: &str, payload: &[u8]) -> bool {
        if !is_for_responses(channel) {
            return true;
        }
        let mut state = self.lock();
        let pending = read_req_id(payload).and_then(|id| Some((id, state.requests.get_mut(&id)?)));
        let Some((id, pending)) =
            pending.filter(|(_, pending)| pending.request.responses == channel)
        else {
            return false;
        };
        let expected = pending.received(node, payload);
        if pending.owed_by.is_empty() {
            state.requests.remove(&id);
        }
        expected
    }

    /// `node`, which served `slot`, has gone: what it owed is to be stood in for.
    pub(super) fn gone(&self, slot: SlotId, node: u64) -> Vec<StandIns> {
        let mut state = self.lock();
        state.gone.insert(slot, node);
        let mut stand_ins = Vec::new();
        state.requests.retain(|_, pending| {
            if let Some(acks) = pending.owed_by.remove(&node) {
                stand_ins.push(pending.request.stand_ins(acks));
            }
            !pending.owed_by.is_empty()
        });
        stand_ins
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, pending: Pending, now: Instant) {
        while let Some(&(since, id)) = self.by_age.front()
            && (self.by_age.len() >= MAX_REQUESTS
                || now.duration_since(since) >= MAX_AGE
                || !self.requests.contains_key(&id))
        {
            self.by_age.pop_front();
            self.requests.remove(&id);
        }
        self.by_age.push_back((now, pending.request.id));
        self.requests.insert(pending.request.id, pending);
    }
}

impl Pending {
    fn received(&mut self, node: u64, payload: &[u8]) -> bool {
        let Some(acks) = self.owed_by.get_mut(&node) else {
            return false;
        };
        let left = match self.request.kind {
            Kind::Rooms | Kind::Sockets => 0,
            Kind::Acks => match (read_response(payload), *acks) {
                (Some(ResponseType::BroadcastAckCount(count)), None) if count <= MAX_ACKS => count,
                (Some(ResponseType::BroadcastAck(_)), Some(left)) => left.saturating_sub(1),
                _ => return false,
            },
        };
        if left == 0 {
            self.owed_by.remove(&node);
        } else {
            *acks = Some(left);
        }
        true
    }
}

impl Request {
    fn stand_ins(&self, acks: Option<u32>) -> StandIns {
        let Self { id, kind, .. } = *self;
        StandIns { request: id, kind, acks, channel: self.responses.clone() }
    }
}

/// Whether responses come on this channel: see [`Request::read`].
fn is_for_responses(channel: &str) -> bool {
    channel.split('#').next().is_some_and(|head| head.ends_with("-response"))
}

fn read_response(payload: &[u8]) -> Option<ResponseType<IgnoredAny>> {
    let (_, response): (Sid, Response<IgnoredAny>) = rmp_serde::from_slice(payload).ok()?;
    Some(response.r#type)
}

#[cfg(test)]
#[path = "pending_tests.rs"]
mod tests;
