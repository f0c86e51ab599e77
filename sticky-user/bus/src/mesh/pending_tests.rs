use socketioxide::AckError;
use socketioxide_core::adapter::BroadcastOptions;
use socketioxide_core::adapter::remote_packet::{RequestOut, RequestTypeOut};
use socketioxide_core::packet::Packet;
use socketioxide_core::{Uid, Value};
use sticky_contract::SlotCount;
use tokio::sync::mpsc;

use super::*;
use crate::mesh::stand_ins::lost_ack;
use crate::mesh::subscriptions::Subscriptions;

const REQUESTS: &str = "socket.io-request#/#";

fn asked(kind: RequestTypeOut<'_>) -> Request {
    let (node, options) = (Uid::new(), BroadcastOptions::new(Sid::ZERO));
    let request = RequestOut::new(node, kind, &options);
    Request::read(REQUESTS, &rmp_serde::to_vec(&request).unwrap()).unwrap()
}

fn asked_for_acks() -> (Sid, String, Request) {
    let packet = Packet::event("/", Value::Str("[]".into(), None));
    let request = asked(RequestTypeOut::BroadcastWithAck(&packet));
    (request.id, request.responses.clone(), request)
}

fn response(id: Sid, r#type: ResponseType<AckError>) -> Vec<u8> {
    rmp_serde::to_vec(&(id, Response { node_id: Uid::new(), r#type })).unwrap()
}

fn count(id: Sid, acks: u32) -> Vec<u8> {
    response(id, ResponseType::BroadcastAckCount(acks))
}

fn subscribed_to(channel: &str) -> (Subscriptions, mpsc::Receiver<(String, Vec<u8>)>) {
    let subscriptions = Subscriptions::default();
    let (sender, receiver) = mpsc::channel(1);
    subscriptions.insert(channel.into(), sender);
    (subscriptions, receiver)
}

#[test]
fn what_nobody_asked_for_is_not_passed_on() {
    let (id, responses, request) = asked_for_acks();
    let pending = PendingResponses::default();
    assert!(pending.received(7, "news", b"anything") && pending.received(7, REQUESTS, b"anything"));
    assert!(!pending.received(7, &responses, &count(id, 1)), "nothing was asked");
    assert_eq!(pending.expect(request, vec![7]), []);
    assert!(!pending.received(7, &responses, b"nonsense"));
    assert!(!pending.received(8, &responses, &count(id, 1)), "it was not asked");
    let ack = response(id, lost_ack());
    assert!(!pending.received(7, &responses, &ack), "it has not announced any");
    assert!(!pending.received(7, &responses, &count(id, u32::MAX)), "nobody has so many clients");
    assert!(pending.received(7, &responses, &count(id, 2)));
    assert!(!pending.received(7, &responses, &count(id, 2)), "it has said so");
    assert!(pending.received(7, &responses, &ack) && pending.received(7, &responses, &ack));
    assert!(!pending.received(7, &responses, &ack), "those were all");
    assert!(pending.lock().requests.is_empty());
}

#[tokio::test]
async fn one_that_announced_more_acks_than_it_can_owe_owes_none() {
    let (id, responses, request) = asked_for_acks();
    let (subscriptions, mut heard) = subscribed_to(&responses);
    let pending = PendingResponses::default();
    assert_eq!(pending.expect(request, vec![7]), []);
    assert!(!pending.received(7, &responses, &count(id, u32::MAX)));
    for stand_ins in pending.gone(SlotId::FIRST, 7) {
        stand_ins.deliver(&subscriptions);
    }
    let stood_in = heard.recv().await.unwrap().1;
    assert_eq!(read_response(&stood_in), Some(ResponseType::BroadcastAckCount(0)));
    drop(subscriptions);
    assert_eq!(heard.recv().await, None, "and that is all");
}

#[tokio::test]
async fn what_is_stood_in_for_is_made_when_there_is_room_for_it() {
    let (id, responses, request) = asked_for_acks();
    let (subscriptions, mut heard) = subscribed_to(&responses);
    let pending = PendingResponses::default();
    assert_eq!(pending.expect(request, vec![7]), []);
    assert!(pending.received(7, &responses, &count(id, MAX_ACKS)));
    for stand_ins in pending.gone(SlotId::FIRST, 7) {
        stand_ins.deliver(&subscriptions);
    }
    for _ in 0..3 {
        let stood_in = heard.recv().await.unwrap().1;
        assert!(matches!(read_response(&stood_in), Some(ResponseType::BroadcastAck(_))));
    }
}

#[test]
fn what_is_remembered_is_bounded() {
    let pending = PendingResponses::default();
    let slots = SlotCount::new(3).unwrap();
    for (node, slot) in (0..1000).zip(slots.iter().cycle()) {
        pending.gone(slot, node);
    }
    assert_eq!(pending.lock().gone.len(), 3);
    let stand_ins = pending.expect(asked(RequestTypeOut::AllRooms), vec![999]);
    assert!(stand_ins.len() == 1 && pending.lock().requests.is_empty(), "it has gone last");

    let now = Instant::now();
    let owed = |id| Pending {
        request: Request { id, kind: Kind::Rooms, responses: "x".into(), to_one: false },
        owed_by: HashMap::from([(7, None)]),
    };
    let mut state = State::default();
    for _ in 0..MAX_REQUESTS + 100 {
        state.note(owed(Sid::new()), now);
    }
    assert_eq!((state.requests.len(), state.by_age.len()), (MAX_REQUESTS, MAX_REQUESTS));
    state.note(owed(Sid::new()), now + MAX_AGE);
    assert_eq!((state.requests.len(), state.by_age.len()), (1, 1));
}
