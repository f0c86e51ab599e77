use std::future::poll_fn;
use std::pin::Pin;

use futures_core::Stream;

use super::*;
use crate::redis::fake::{Fake, SLOTS};
use crate::redis::topology::HASH_SLOT;

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
    let bus = RedisBus::connect(&urls, &Backlogs::default());
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
async fn a_server_that_does_not_answer_counts_as_gone() {
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

/// Two nodes, each of which says what the other has. The first is named, and the second has the hash slot.
async fn cluster() -> (Fake, Fake, RedisBus) {
    let (first, second) = (Fake::start().await, Fake::start().await);
    share_out(&first, &second, HASH_SLOT);
    let bus = bus_on(format!("redis-cluster://127.0.0.1:{}", first.port())).await;
    (first, second, bus)
}

/// The first has the slots before that one, the second the others.
fn share_out(first: &Fake, second: &Fake, before: i64) {
    first.slots(0..before, second.port());
    second.slots(before..SLOTS, first.port());
}

/// Says it until it is heard: what is said while the hash slot moves may be lost.
async fn goes_through(bus: &RedisBus, stream: &mut MessageStream<ChanItem>, message: &str) {
    let came = async {
        loop {
            bus.publish("a", message.as_bytes()).await;
            while let Ok(came) = timeout(Duration::from_millis(100), next(stream)).await {
                if came == item("a", message) {
                    return;
                }
            }
        }
    };
    timeout(DEADLINE, came).await.unwrap();
}

#[tokio::test]
async fn the_hash_slot_is_followed() {
    let (first, second, bus) = cluster().await;
    assert_eq!(bus.prefix(), "{socket.io}");
    let mut stream = bus.subscribe("a").await;
    for before in [HASH_SLOT, SLOTS, 4096, HASH_SLOT + 1] {
        share_out(&first, &second, before);
        goes_through(&bus, &mut stream, &before.to_string()).await;
        assert_eq!(bus.workers("a").await, 1);
    }
}

#[tokio::test]
async fn a_node_that_is_gone_has_a_successor() {
    let (first, second, bus) = cluster().await;
    let mut stream = bus.subscribe("a").await;
    second.away(true);
    until(&bus, |health| !health.up).await;
    bus.publish("a", b"1").await;
    assert_eq!(bus.health().borrow().dropped, 1);
    share_out(&first, &second, SLOTS);
    until(&bus, |health| health.up).await;
    goes_through(&bus, &mut stream, "2").await;
}
