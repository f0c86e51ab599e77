//! Backlogs without connections.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use socketioxide_core::Sid;
use tokio::time::{Instant, advance};

use super::limits::{CLIENT_TIMEOUT, PACKET, PRESSED_CLIENT_TIMEOUT, UNFETCHED};
use super::{Backlog, Backlogs};

/// Packets weigh something as well.
const LIMIT: usize = 4 * PACKET;

fn session(backlogs: &Backlogs) -> (Sid, Arc<Backlog>) {
    let (id, backlog) = (Sid::new(), Backlog::new(backlogs));
    backlog.named(id);
    (id, backlog)
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_waits_until_half_has_left() {
    let backlogs = Backlogs::new(LIMIT);
    let ((id, client), (other, _idle)) = (session(&backlogs), session(&backlogs));
    let begin = Instant::now();
    client.put(LIMIT - PACKET - 1);
    assert_eq!(backlogs.capacity(|| vec![id, other, Sid::new()]).await.len(), 2);
    client.put(1);
    let mut capacity = pin!(backlogs.capacity(|| vec![id, other]));
    assert!(poll(capacity.as_mut()).is_pending());
    // Both have left but for half of the limit, and one byte.
    client.took(1, LIMIT / 2 - 1);
    assert!(poll(capacity.as_mut()).is_pending());
    client.took(0, 1);
    assert!(poll(capacity.as_mut()).is_ready());
    assert!(begin.elapsed() < CLIENT_TIMEOUT && !client.is_given_up());
}

#[tokio::test(start_paused = true)]
async fn one_that_takes_nothing_is_given_up_and_all_of_them_at_once() {
    let backlogs = Backlogs::new(LIMIT);
    let sessions: Vec<_> = (0..100).map(|_| session(&backlogs)).collect();
    let ended = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&ended);
    sessions[0].1.on_end(move || end.store(true, Ordering::Relaxed));
    let begin = Instant::now();
    // One after the other they are behind, and have taken nothing for as long.
    for (_, client) in &sessions {
        client.put(LIMIT / 2);
    }
    for (id, client) in &sessions {
        client.put(LIMIT / 2);
        backlogs.capacity(|| vec![*id]).await;
        assert!(client.is_given_up());
    }
    assert!(begin.elapsed() < CLIENT_TIMEOUT + Duration::from_secs(1), "{:?}", begin.elapsed());
    assert!(ended.load(Ordering::Relaxed));
    assert_eq!(*backlogs.given_up().borrow(), 100);
}

#[tokio::test(start_paused = true)]
async fn one_that_takes_too_little_is_given_up() {
    let backlogs = Backlogs::new(LIMIT);
    let (id, client) = session(&backlogs);
    client.put(LIMIT);
    let begin = Instant::now();
    let trickle = async {
        loop {
            advance(Duration::from_millis(100)).await;
            client.took(0, 1);
        }
    };
    tokio::select! {
        _ = backlogs.capacity(|| vec![id]) => {}
        () = trickle => {}
    }
    assert!(client.is_given_up());
    assert!(
        (CLIENT_TIMEOUT..CLIENT_TIMEOUT * 2).contains(&begin.elapsed()),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn while_messages_pile_up_there_is_less_time() {
    let backlogs = Backlogs::new(LIMIT);
    let (id, client) = session(&backlogs);
    client.put(LIMIT);
    let begin = Instant::now();
    tokio::join!(backlogs.capacity(|| vec![id]), async { backlogs.set_pressed(true) });
    assert!(client.is_given_up() && begin.elapsed() < PRESSED_CLIENT_TIMEOUT * 2);
}

#[tokio::test(start_paused = true)]
async fn a_client_is_not_heard_while_it_sends_and_sends_in_order() {
    let backlogs = Backlogs::new(LIMIT);
    let (id, sender) = session(&backlogs);
    let context = Context::from_waker(Waker::noop());
    let first = backlogs.send_permit(Some(id), &()).await;
    let mut second = pin!(backlogs.send_permit(Some(id), &()));
    let mut bring = pin!(sender.may_bring(1, 1));
    assert!(poll(second.as_mut()).is_pending() && poll(bring.as_mut()).is_pending());
    assert!(sender.poll_hear(&context).is_pending());
    drop(first);
    let Poll::Ready(second) = poll(second.as_mut()) else { panic!("it is its turn") };
    assert!(sender.poll_hear(&context).is_pending());
    drop(second);
    assert!(sender.poll_hear(&context).is_ready() && poll(bring.as_mut()).is_ready());
}

#[tokio::test(start_paused = true)]
async fn who_fetches_nothing_may_bring_little() {
    let backlogs = Backlogs::new(LIMIT);
    let (_, client) = session(&backlogs);
    client.may_bring(1, LIMIT * 2).await;
    client.waits(true);
    client.waits(false);
    client.may_bring(1, LIMIT).await;
    let mut more = pin!(client.may_bring(1, 1));
    assert!(poll(more.as_mut()).is_pending());
    client.took(0, 1);
    assert!(poll(more.as_mut()).is_ready());
    client.may_bring(1, LIMIT).await;
    assert!(client.is_given_up());
}

#[tokio::test(start_paused = true)]
async fn who_fetches_nothing_may_bring_few_packets_and_more_as_they_are_fetched() {
    let backlogs = Backlogs::new(LIMIT);
    let (_, client) = session(&backlogs);
    client.may_bring(UNFETCHED, 0).await;
    let mut more = pin!(client.may_bring(2, 0));
    client.took(1, LIMIT);
    assert!(poll(more.as_mut()).is_pending());
    client.took(1, 0);
    assert!(poll(more.as_mut()).is_ready());
    client.may_bring(1, 0).await;
    assert!(client.is_given_up());
}

#[tokio::test(start_paused = true)]
async fn all_are_ended_where_it_is_not_known_who_missed_something() {
    let backlogs = Backlogs::new(LIMIT);
    let sessions: Vec<_> = (0..3).map(|_| session(&backlogs)).collect();
    backlogs.end(&[sessions[0].0]);
    assert!(sessions[0].1.is_given_up() && !sessions[1].1.is_given_up());
    assert_eq!((backlogs.end_all(), backlogs.end_all()), (2, 0));
    assert!(sessions.iter().all(|(_, client)| client.is_given_up()));
}

#[tokio::test(start_paused = true)]
async fn half_of_the_engines_queue_is_not_exceeded() {
    let backlogs = Backlogs::new(LIMIT);
    backlogs.fit(4);
    let (_, client) = session(&backlogs);
    client.put(0);
    assert!(!client.is_behind());
    client.put(0);
    assert!(client.is_behind());
    client.took(1, 0);
    assert!(!client.is_behind());
}

#[tokio::test(start_paused = true)]
async fn one_that_went_away_holds_up_nobody_and_is_not_blamed() {
    let backlogs = Backlogs::new(LIMIT);
    let (id, client) = session(&backlogs);
    client.put(LIMIT);
    let begin = Instant::now();
    let mut capacity = pin!(backlogs.capacity(|| vec![id]));
    assert!(poll(capacity.as_mut()).is_pending());
    client.gone();
    assert!(poll(capacity.as_mut()).is_ready());
    // What is said to it until the engine has noticed is not counted.
    client.put(LIMIT);
    assert!(!client.is_behind());
    client.may_bring(1, LIMIT * 2).await;
    client.may_bring(1, LIMIT).await;
    assert!(begin.elapsed() < CLIENT_TIMEOUT && !client.is_given_up());
    assert_eq!(*backlogs.given_up().borrow(), 0);
}

#[tokio::test(start_paused = true)]
async fn clients_that_fall_behind_one_after_the_other_hold_a_message_up_no_longer_than_one() {
    let backlogs = Backlogs::new(LIMIT);
    let sessions: Vec<_> = (0..3).map(|_| session(&backlogs)).collect();
    let ids: Vec<_> = sessions.iter().map(|(id, _)| *id).collect();
    let begin = Instant::now();
    sessions[0].1.put(LIMIT);
    let fall_behind = async {
        for (_, client) in &sessions[1..] {
            #[expect(
                clippy::disallowed_methods,
                reason = "the clock is paused, and this moves it"
            )]
            tokio::time::sleep(CLIENT_TIMEOUT * 9 / 10).await;
            client.put(LIMIT);
        }
    };
    let (told, ()) = tokio::join!(
        async {
            let told = backlogs.capacity(|| ids.clone()).await;
            (told.len(), begin.elapsed())
        },
        fall_behind
    );
    assert_eq!(told.0, 3);
    assert!(told.1 < CLIENT_TIMEOUT + Duration::from_secs(1), "{:?}", told.1);
    // The others had time left, until the next message.
    let given_up = || sessions.iter().filter(|(_, client)| client.is_given_up()).count();
    assert_eq!(given_up(), 1);
    backlogs.capacity(|| ids.clone()).await;
    assert_eq!(given_up(), 3);
}
