use std::future::poll_fn;
use std::pin::Pin;

use futures_core::Stream;

use super::*;
use crate::redis::fake::{Fake, SLOTS};

/// In slots 15495, 3300 and 7365: of a cluster of two halves, in the second, the first and the first.
const CHANNELS: [&str; 3] = ["a", "b", "c"];

/// Whatever takes longer will never come.
const DEADLINE: Duration = Duration::from_mins(1);

async fn next(stream: &mut MessageStream<ChanItem>) -> ChanItem {
    let next = poll_fn(|cx| Stream::poll_next(Pin::new(&mut *stream), cx));
    timeout(DEADLINE, next).await.unwrap().unwrap()
}

fn item(channel: &str, message: &str) -> ChanItem {
    (channel.into(), message.into())
}

async fn until(bus: &RedisBus, is: impl FnMut(&Health) -> bool) -> Health {
    *timeout(DEADLINE, bus.health().wait_for(is)).await.unwrap().unwrap()
}

async fn bus_on(urls: String) -> RedisBus {
    let urls: RedisUrls = urls.parse().unwrap();
    urls.check().await.unwrap();
    let bus = RedisBus::connect(&urls);
    until(&bus, |health| health.up).await;
    bus
}

#[tokio::test]
async fn what_is_lost_comes_back() {
    let server = Fake::start().await;
    let urls = format!("redis://:secret@127.0.0.1:{}", server.port());
    let (bus, other) = (bus_on(urls.clone()).await, bus_on(urls).await);
    let mut old = bus.subscribe("a").await;
    let _other = other.subscribe("a").await;
    bus.publish("a", b"1").await;
    assert_eq!(next(&mut old).await, item("a", "1"));
    assert_eq!(bus.workers("a").await, 2);
    until(&bus, |health| health.peers == 1).await;

    server.away(true);
    until(&bus, |health| !health.up).await;
    bus.publish("a", b"2").await;
    let mut new = bus.subscribe("b").await;
    let mut left = bus.subscribe("c").await;
    bus.unsubscribe("c");
    assert_eq!(bus.workers("a").await, 1);

    server.away(false);
    let back = until(&bus, |health| health.up).await;
    assert_eq!(back, Health { up: true, peers: 0, reconnects: 1, dropped: 1, disconnected: 0 });
    bus.publish("a", b"3").await;
    bus.publish("b", b"4").await;
    assert_eq!(next(&mut old).await, item("a", "3"));
    assert_eq!(next(&mut new).await, item("b", "4"));
    assert_eq!(poll_fn(|cx| Stream::poll_next(Pin::new(&mut left), cx)).await, None);
    until(&other, |health| health.up && health.reconnects == 1).await;
    assert_eq!(bus.workers("a").await, 2);
    assert_eq!(bus.workers("c").await, 1);
}

#[tokio::test]
async fn whoever_does_not_answer_counts_as_gone() {
    let server = Fake::start().await;
    let bus = bus_on(format!("redis://127.0.0.1:{}", server.port())).await;
    let mut messages = bus.subscribe("a").await;
    server.silent(true);
    bus.publish("a", b"1").await;
    assert_eq!(bus.workers("a").await, 1);
    until(&bus, |health| !health.up && health.dropped == 1).await;
    server.silent(false);
    until(&bus, |health| health.up).await;
    bus.publish("a", b"2").await;
    assert_eq!(next(&mut messages).await, item("a", "2"));
}

/// Two nodes, each of which says what the other has.
async fn cluster() -> (Fake, Fake, RedisBus) {
    let (first, second) = (Fake::start().await, Fake::start().await);
    share_out(&first, &second, 8192);
    let bus = bus_on(format!("redis-cluster://127.0.0.1:{}", first.port())).await;
    (first, second, bus)
}

/// The first has the slots before that one, the second the others.
fn share_out(first: &Fake, second: &Fake, before: u16) {
    first.slots(0..before, second.port());
    second.slots(before..SLOTS, first.port());
}

#[tokio::test]
async fn a_cluster_hands_on_what_moves() {
    let (first, second, bus) = cluster().await;
    let mut streams = Vec::new();
    for channel in CHANNELS {
        streams.push(bus.subscribe(channel).await);
    }
    for before in [8192, SLOTS, 4096, 8192] {
        share_out(&first, &second, before);
        for (channel, stream) in CHANNELS.iter().zip(&mut streams) {
            let message = before.to_string();
            // What is sent while it moves may be lost, and is sent again.
            let came = async {
                loop {
                    bus.publish(channel, message.as_bytes()).await;
                    while let Ok(came) = timeout(ROUND / 10, next(stream)).await {
                        if came == item(channel, &message) {
                            return bus.workers(channel).await;
                        }
                    }
                }
            };
            assert_eq!(timeout(DEADLINE, came).await.unwrap(), 1);
        }
    }
}

#[tokio::test]
async fn a_node_that_is_gone_stops_no_other() {
    let (_first, second, bus) = cluster().await;
    let mut lost = bus.subscribe("a").await;
    let mut kept = bus.subscribe("b").await;
    second.away(true);
    until(&bus, |health| !health.up).await;
    bus.publish("a", b"1").await;
    bus.publish("b", b"2").await;
    assert_eq!(next(&mut kept).await, item("b", "2"));
    assert_eq!(bus.health().borrow().dropped, 1);
    second.away(false);
    until(&bus, |health| health.up).await;
    bus.publish("a", b"3").await;
    assert_eq!(next(&mut lost).await, item("a", "3"));
}
