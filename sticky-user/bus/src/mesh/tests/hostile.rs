//! Programs that are no workers, or ill-disposed ones.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::super::frame::{Frame, MAX_FRAME};
use super::*;

async fn open(slots: &Slots, slot: u32) -> UnixStream {
    let path = mesh_sockets::path(slots.directory.path(), slots.slot(slot));
    UnixStream::connect(path).await.unwrap()
}

/// What a worker of that slot says first, be there one or not.
fn hello(node: u64, slot: u32) -> Vec<u8> {
    let mut bytes = Frame::Hello { node, slot: SlotId::FIRST }.encode().unwrap();
    let at = bytes.len() - 4;
    bytes.splice(at.., slot.to_be_bytes());
    bytes
}

/// Waits until the other side closes it.
async fn closed(stream: &mut UnixStream) {
    // By the end of file, or hard, since not all was read.
    let mut rest = Vec::new();
    let closed = stream.read_to_end(&mut rest);
    let _ = timeout(Duration::from_secs(20), closed).await.expect("it is closed");
}

async fn works(a: &Mesh, b: &Mesh) {
    let mut heard = b.subscribe("news".into(), 8).await;
    a.publish("news", b"still here").await.unwrap();
    assert_eq!(next(&mut heard).await.1, b"still here");
}

#[tokio::test]
async fn nonsense_closes_the_link_and_no_more() {
    let slots = Slots::open(2);
    let (a, b) = tokio::join!(slots.join(0), slots.join(1));
    let after_hello = |bytes: &[u8]| [&hello(9, 1), bytes].concat();
    for nonsense in [
        vec![0xff; 64],
        vec![0, 0, 0, 1, 99],
        vec![0; 4],
        vec![0, 0, 0, 1, 5],
        b"GET /".to_vec(),
        hello(9, 2),
        hello(9, 256),
        hello(9, u32::MAX),
        after_hello(b"GET / HTTP/1.1"),
        after_hello(&hello(9, 1)),
    ] {
        let mut stream = open(&slots, 0).await;
        stream.write_all(&nonsense).await.unwrap();
        closed(&mut stream).await;
    }
    works(&a, &b).await;
}

#[tokio::test]
async fn little_is_read_before_it_is_known_who_speaks() {
    let slots = Slots::open(2);
    let _a = slots.join(0).await;
    let length = u32::try_from(MAX_FRAME).unwrap().to_be_bytes();
    for announced in [length.to_vec(), [&hello(9, 1)[..], &length].concat()] {
        let mut stream = open(&slots, 0).await;
        stream.write_all(&announced).await.unwrap();
        closed(&mut stream).await;
    }
}

#[tokio::test(start_paused = true)]
async fn those_that_say_nothing_are_few_and_for_a_short_time() {
    let slots = Slots::open(2);
    let (a, b) = tokio::join!(slots.join(0), slots.join(1));
    let mut silent = Vec::new();
    for _ in 0..67 {
        silent.push(open(&slots, 0).await);
    }
    closed(&mut silent[0]).await;
    works(&a, &b).await;
    for stream in &mut silent {
        closed(stream).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_number_of_links_is_bounded() {
    let slots = Slots::open(2);
    let (a, b) = tokio::join!(slots.join(0), slots.join(1));
    let mut links = Vec::new();
    let mut health = a.health();
    for node in 0..30 {
        let mut stream = open(&slots, 0).await;
        stream.write_all(&hello(node, 1)).await.unwrap();
        if node < 19 {
            until(&mut health, |health| u64::from(health.peers) == node + 2).await;
        } else {
            closed(&mut stream).await;
        }
        links.push(stream);
    }
    assert_eq!(health.borrow().peers, 20);
    works(&a, &b).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_asks_and_does_not_read_is_no_longer_listened_to() {
    let slots = Slots::open(2);
    let (a, b) = tokio::join!(slots.join(0), slots.join(1));
    let mut stream = open(&slots, 0).await;
    stream.write_all(&hello(9, 1)).await.unwrap();
    let asked = Frame::Sync.encode().unwrap().repeat(1 << 20);
    let all = timeout(Duration::from_secs(20), stream.write_all(&asked)).await;
    assert!(all.is_err(), "it waits: {all:?}");
    works(&a, &b).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_closes_each_link_is_not_called_all_the_time() {
    let slots = Slots::open(2);
    let _a = slots.join(0).await;
    let socket = slots.sockets[slots.slot(1)].try_clone().unwrap();
    socket.set_nonblocking(true).unwrap();
    let hostile = UnixListener::from_std(socket).unwrap();
    let mut calls = 0;
    let counting = async {
        loop {
            let (mut stream, _) = hostile.accept().await.unwrap();
            let _ = stream.write_all(&Frame::Welcome { node: 9 }.encode().unwrap()).await;
            calls += 1;
            assert!(calls < 1000, "without end");
        }
    };
    let _ = timeout(Duration::from_mins(1), counting).await;
    assert!((5..30).contains(&calls), "{calls} calls in a minute");
}
