//! Which worker still owes an answer to which request.
//!
//! The adapter asks all workers and waits for as many answers, at most for its time-out. When a
//! worker dies, nobody needs to wait for it: its answers are stood in for.

use std::collections::{HashMap, HashSet, VecDeque};
use std::iter;
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

/// Requests that are noted. For an older one that is not answered, the adapter waits until its time-out.
const MOST_REQUESTS: usize = 65_536;

/// Acks that one worker can owe to a request: far more than it can have clients.
const MOST_ACKS: u32 = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    requests: HashMap<Sid, Owed>,
    /// All of these and some that are answered, the oldest first.
    by_age: VecDeque<(Instant, Sid)>,
    /// By slot, the worker that has gone last: what it is asked all the same, while its other link is
    /// not known to be closed, is stood in for at once.
    gone: HashMap<u32, u64>,
}

/// What is owed to one request.
#[derive(Debug)]
struct Owed {
    request: Request,
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
            receivers.into_iter().partition(|node| book.gone.values().any(|gone| gone == node));
        // A question to one worker alone is answered by one: by nobody, where it has gone.
        let nobody = usize::from(request.to_one && gone.is_empty() && there.is_empty());
        for _ in 0..gone.len() + nobody {
            wishes.stand_in(&request.answers, request.stand_ins(None));
        }
        if there.is_empty() {
            return;
        }
        let by = there.into_iter().map(|node| (node, None)).collect();
        book.note(Owed { request, by }, Instant::now());
    }

    /// `payload` came from `node`: crosses out what it answers. `false` when it answers nothing that
    /// this worker was asked: then it is not for the adapter.
    pub(super) fn heard(&self, node: u64, channel: &str, payload: &[u8]) -> bool {
        if !is_for_answers(channel) {
            return true;
        }
        let mut book = self.lock();
        let owed = read_req_id(payload).and_then(|id| Some((id, book.requests.get_mut(&id)?)));
        let Some((id, owed)) = owed.filter(|(_, owed)| owed.request.answers == channel) else {
            return false;
        };
        let heard = owed.answered(node, payload);
        if owed.by.is_empty() {
            book.requests.remove(&id);
        }
        heard
    }

    /// `node`, which served `slot`, has gone: gives the answers that it owes in its place.
    pub(super) fn gone(&self, slot: u32, node: u64, wishes: &Wishes) {
        let mut book = self.lock();
        book.gone.insert(slot, node);
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

impl Book {
    fn note(&mut self, owed: Owed, now: Instant) {
        while let Some(&(since, id)) = self.by_age.front()
            && (self.by_age.len() >= MOST_REQUESTS
                || now.duration_since(since) >= OLD
                || !self.requests.contains_key(&id))
        {
            self.by_age.pop_front();
            self.requests.remove(&id);
        }
        self.by_age.push_back((now, owed.request.id));
        self.requests.insert(owed.request.id, owed);
    }
}

impl Owed {
    fn answered(&mut self, node: u64, payload: &[u8]) -> bool {
        let Some(acks) = self.by.get_mut(&node) else {
            return false;
        };
        let left = match self.request.kind {
            Kind::Rooms | Kind::Sockets => 0,
            Kind::Acks => match (read_response(payload), *acks) {
                (Some(ResponseType::BroadcastAckCount(count)), None) if count <= MOST_ACKS => count,
                (Some(ResponseType::BroadcastAck(_)), Some(left)) => left.saturating_sub(1),
                _ => return false,
            },
        };
        if left == 0 {
            self.by.remove(&node);
        } else {
            *acks = Some(left);
        }
        true
    }
}

/// Whether answers come on this channel: see [`Request::read`].
fn is_for_answers(channel: &str) -> bool {
    channel.split('#').next().is_some_and(|head| head.ends_with("-response"))
}

fn read_response(payload: &[u8]) -> Option<ResponseType<IgnoredAny>> {
    let (_, response): (Sid, Response<IgnoredAny>) = rmp_serde::from_slice(payload).ok()?;
    Some(response.r#type)
}

impl Request {
    /// The answers that a worker would have given that serves nobody; for acks, an error for each
    /// that it had announced.
    fn stand_ins(&self, acks: Option<u32>) -> impl Iterator<Item = Vec<u8>> + Send + use<> {
        let (answer, times): (fn() -> _, _) = match (self.kind, acks) {
            (Kind::Rooms, _) => (|| ResponseType::AllRooms(HashSet::default()), 1),
            (Kind::Sockets, _) => (|| ResponseType::FetchSockets(Vec::new()), 1),
            (Kind::Acks, None) => (|| ResponseType::BroadcastAckCount(0), 1),
            (Kind::Acks, Some(left)) => (lost, left),
        };
        let id = self.id;
        let encode =
            move |r#type| rmp_serde::to_vec(&(id, Response { node_id: Uid::new(), r#type }));
        // One after the other, when there is room for it. Of these types, all can be encoded.
        iter::repeat_with(answer).take(times as usize).filter_map(move |answer| encode(answer).ok())
    }
}

/// The ack of a client that nobody knows: an id of zeros could not be read.
fn lost() -> ResponseType<AckError> {
    ResponseType::BroadcastAck((Sid::new(), Err(AckError::Socket(SocketError::Closed))))
}

#[cfg(test)]
mod tests {
    use socketioxide_core::Value;
    use socketioxide_core::adapter::BroadcastOptions;
    use socketioxide_core::adapter::remote_packet::{RequestOut, RequestTypeOut};
    use socketioxide_core::packet::Packet;
    use tokio::sync::mpsc;

    use super::*;

    const REQUESTS: &str = "socket.io-request#/#";

    fn asked(kind: RequestTypeOut<'_>) -> (Sid, String, Vec<u8>) {
        let (node, options) = (Uid::new(), BroadcastOptions::new(Sid::ZERO));
        let request = RequestOut::new(node, kind, &options);
        let answers = format!("socket.io-response#/#{node}#");
        (request.id, answers, rmp_serde::to_vec(&request).unwrap())
    }

    fn asked_for_acks() -> (Sid, String, Vec<u8>) {
        let packet = Packet::event("/", Value::Str("[]".into(), None));
        asked(RequestTypeOut::BroadcastWithAck(&packet))
    }

    fn answer(id: Sid, r#type: ResponseType<AckError>) -> Vec<u8> {
        rmp_serde::to_vec(&(id, Response { node_id: Uid::new(), r#type })).unwrap()
    }

    fn count(id: Sid, acks: u32) -> Vec<u8> {
        answer(id, ResponseType::BroadcastAckCount(acks))
    }

    fn wishes(channel: &str) -> (Wishes, mpsc::Receiver<(String, Vec<u8>)>) {
        let wishes = Wishes::new(1, 0);
        let (sender, receiver) = mpsc::channel(1);
        wishes.want(channel.into(), sender);
        (wishes, receiver)
    }

    #[tokio::test]
    async fn what_nobody_asked_for_is_not_passed_on() {
        let (id, answers, payload) = asked_for_acks();
        let (wishes, _heard) = wishes(&answers);
        let ledger = Ledger::default();
        assert!(ledger.heard(7, "news", b"anything") && ledger.heard(7, REQUESTS, b"anything"));
        assert!(!ledger.heard(7, &answers, &count(id, 1)), "nothing was asked");
        ledger.asked(REQUESTS, &payload, vec![7], &wishes);
        assert!(!ledger.heard(7, &answers, b"nonsense"));
        assert!(!ledger.heard(8, &answers, &count(id, 1)), "it was not asked");
        let ack = answer(id, lost());
        assert!(!ledger.heard(7, &answers, &ack), "it has not announced any");
        assert!(!ledger.heard(7, &answers, &count(id, u32::MAX)), "nobody has so many clients");
        assert!(ledger.heard(7, &answers, &count(id, 2)));
        assert!(!ledger.heard(7, &answers, &count(id, 2)), "it has said so");
        assert!(ledger.heard(7, &answers, &ack) && ledger.heard(7, &answers, &ack));
        assert!(!ledger.heard(7, &answers, &ack), "those were all");
        assert!(ledger.lock().requests.is_empty());
    }

    #[tokio::test]
    async fn one_that_announced_more_acks_than_it_can_owe_owes_none() {
        let (id, answers, payload) = asked_for_acks();
        let (wishes, mut heard) = wishes(&answers);
        let ledger = Ledger::default();
        ledger.asked(REQUESTS, &payload, vec![7], &wishes);
        assert!(!ledger.heard(7, &answers, &count(id, u32::MAX)));
        ledger.gone(3, 7, &wishes);
        let stood_in = heard.recv().await.unwrap().1;
        assert_eq!(read_response(&stood_in), Some(ResponseType::BroadcastAckCount(0)));
        drop(wishes);
        assert_eq!(heard.recv().await, None, "and that is all");
    }

    #[tokio::test]
    async fn what_is_stood_in_for_is_made_when_there_is_room_for_it() {
        let (id, answers, payload) = asked_for_acks();
        let (wishes, mut heard) = wishes(&answers);
        let ledger = Ledger::default();
        ledger.asked(REQUESTS, &payload, vec![7], &wishes);
        assert!(ledger.heard(7, &answers, &count(id, MOST_ACKS)));
        ledger.gone(3, 7, &wishes);
        for _ in 0..3 {
            let stood_in = heard.recv().await.unwrap().1;
            assert!(matches!(read_response(&stood_in), Some(ResponseType::BroadcastAck(_))));
        }
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded() {
        let (wishes, _heard) = wishes("other");
        let ledger = Ledger::default();
        for node in 0..1000 {
            ledger.gone(u32::try_from(node % 3).unwrap(), node, &wishes);
        }
        assert_eq!(ledger.lock().gone.len(), 3);
        let (_, _, payload) = asked(RequestTypeOut::AllRooms);
        ledger.asked(REQUESTS, &payload, vec![999], &wishes);
        assert!(ledger.lock().requests.is_empty(), "it has gone last");

        let now = Instant::now();
        let owed = |id| Owed {
            request: Request { id, kind: Kind::Rooms, answers: "x".into(), to_one: false },
            by: HashMap::from([(7, None)]),
        };
        let mut book = Book::default();
        for _ in 0..MOST_REQUESTS + 100 {
            book.note(owed(Sid::new()), now);
        }
        assert_eq!((book.requests.len(), book.by_age.len()), (MOST_REQUESTS, MOST_REQUESTS));
        book.note(owed(Sid::new()), now + OLD);
        assert_eq!((book.requests.len(), book.by_age.len()), (1, 1));
    }
}
