//! Workers that read slowly, or not at all. The clock is not the real one: it moves on when nothing
//! else does.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::publisher::STUCK_TIMEOUT;
use super::*;

const MEBIBYTE: usize = 1 << 20;

/// How often a worker was told that it missed something.
fn times_missed(mesh: &Mesh) -> u64 {
    mesh.local.log.times_missed.load(Ordering::Relaxed)
}

/// Waits until a worker was told so. The publisher does not come back, and so can tell it only by itself.
async fn told_once(mesh: &Mesh) {
    let told = async {
        while times_missed(mesh) == 0 {
            #[expect(clippy::disallowed_methods, reason = "of a clock that is not")]
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), told).await.expect("it is told");
    assert_eq!(times_missed(mesh), 1);
}

async fn publish(mesh: &Mesh, messages: u32) {
    for number in 0..messages {
        let mut message = vec![0; MEBIBYTE];
        message[..4].copy_from_slice(&number.to_be_bytes());
        mesh.publish("news", &message).await.unwrap();
    }
}

async fn hear(stream: &mut MessageStream<ChanItem>, messages: u32, pause: Duration) {
    for number in 0..messages {
        assert_eq!(next(stream).await.1[..4], number.to_be_bytes());
        #[expect(clippy::disallowed_methods, reason = "of a clock that is not")]
        sleep(pause).await;
    }
}

#[tokio::test(start_paused = true)]
async fn those_that_do_not_read_are_given_up_together() {
    let slots = Slots::open(4);
    let (a, b, c, d) = tokio::join!(slots.join(0), slots.join(1), slots.join(2), slots.join(3));
    // Nobody takes anything out of these streams, and they have room for one message only.
    let _unread = b.subscribe("news".into(), 1).await;
    let _unread_either = c.subscribe("news".into(), 1).await;
    let mut heard_by_d = d.subscribe("news".into(), 8).await;
    let begin = Instant::now();
    tokio::join!(publish(&a, 100), hear(&mut heard_by_d, 100, Duration::ZERO));
    let held_up = begin.elapsed();
    assert!(held_up < 2 * STUCK_TIMEOUT, "{held_up:?}");
    let dropped = a.health().borrow().dropped;
    assert!((60..200).contains(&dropped), "100 MiB do not wait for two: {dropped}");
}

#[tokio::test(start_paused = true)]
async fn one_that_reads_slowly_gets_all() {
    let slots = Slots::open(3);
    let (a, b, c) = tokio::join!(slots.join(0), slots.join(1), slots.join(2));
    let mut slow = b.subscribe("news".into(), 1).await;
    let mut fast = c.subscribe("news".into(), 8).await;
    tokio::join!(
        publish(&a, 200),
        hear(&mut slow, 200, STUCK_TIMEOUT / 2),
        hear(&mut fast, 200, Duration::ZERO)
    );
    assert_eq!(a.health().borrow().dropped, 0);
}

#[tokio::test(start_paused = true)]
async fn all_together_have_one_budget() {
    let slots = Slots::open(3);
    let (a, b, c) = tokio::join!(slots.join(0), slots.join(1), slots.join(2));
    let _one_unread = b.subscribe("one".into(), 1).await;
    let _other_unread = c.subscribe("other".into(), 1).await;
    let message = vec![0; MEBIBYTE];
    let mut sent = 0;
    let sending = async {
        loop {
            a.publish("one", &message).await.unwrap();
            a.publish("other", &message).await.unwrap();
            sent += 2;
        }
    };
    assert!(timeout(STUCK_TIMEOUT / 2, sending).await.is_err());
    assert!((60..70).contains(&sent), "{sent} MiB wait");
}

#[tokio::test]
async fn what_a_worker_said_before_it_left_is_heard() {
    let slots = Slots::open(2);
    let lease = slots.lease();
    let (a, b) = tokio::join!(slots.join_with(0, &lease), slots.join(1));
    let mut heard = b.subscribe("news".into(), 1).await;
    publish(&a, 20).await;
    tokio::join!(lease.release(), hear(&mut heard, 20, Duration::ZERO));
    assert_eq!(a.health().borrow().dropped, 0);
    assert_eq!(times_missed(&b), 0);
    a.publish("news", b"too late").await.unwrap();
    assert_eq!(a.health().borrow().dropped, 1);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_leaves_does_not_wait_long_and_counts_what_is_not_read() {
    let slots = Slots::open(2);
    let lease = slots.lease();
    let (a, b) = tokio::join!(slots.join_with(0, &lease), slots.join(1));
    let _unread = b.subscribe("news".into(), 1).await;
    publish(&a, 20).await;
    lease.release().await;
    told_once(&b).await;
    let dropped = a.health().borrow().dropped;
    assert!((10..=20).contains(&dropped), "{dropped}");
}
