//! What the client library of Redis offers beyond a plain connection, and why the bus does without it. Where
//! one of these tests fails because a later version does better, the bus can use that.

use std::future::Future;
use std::time::Duration;

use harness::{Cluster, DEADLINE, Redis, pause, send};
use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::cluster::ClusterClientBuilder;
use redis::{AsyncConnectionConfig, Client, ProtocolVersion, PushInfo, PushKind, Value, cmd};
use rustix::process::Signal;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

const CHANNEL: &str = "{socket.io}news";

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test);
}

fn client(redis: &Redis) -> Client {
    Client::open(format!("{}?protocol=resp3", redis.url())).unwrap()
}

/// A connection that is made again by itself and subscribes again by itself, and what it hears.
async fn manager(
    redis: &Redis,
    response_timeout: Duration,
) -> (ConnectionManager, UnboundedReceiver<PushInfo>) {
    let (pushes, heard) = unbounded_channel();
    let config = ConnectionManagerConfig::new()
        .set_push_sender(pushes)
        .set_automatic_resubscription()
        .set_response_timeout(Some(response_timeout));
    let mut manager = client(redis).get_connection_manager_with_config(config).await.unwrap();
    manager.subscribe(CHANNEL).await.unwrap();
    (manager, heard)
}

/// Waits for something of this kind; what it says last, which is a message's text.
async fn heard(pushes: &mut UnboundedReceiver<PushInfo>, kind: &PushKind) -> Option<String> {
    let next = async {
        loop {
            let push = pushes.recv().await.unwrap();
            if push.kind == *kind {
                return push.data.last().and_then(|last| redis::from_redis_value_ref(last).ok());
            }
        }
    };
    timeout(DEADLINE, next).await.unwrap()
}

async fn listeners(connection: &mut MultiplexedConnection) -> u64 {
    let count = cmd("PUBSUB").arg("NUMSUB").arg(CHANNEL).to_owned();
    count.query_async::<(String, u64)>(connection).await.unwrap().1
}

#[test]
fn its_manager_forgets_subscriptions_that_are_refused_when_the_server_is_back() {
    let redis = Redis::start();
    run(async {
        let (mut manager, mut pushes) = manager(&redis, DEADLINE).await;
        let mut other = client(&redis).get_multiplexed_async_connection().await.unwrap();
        let rights = |rights| cmd("ACL").arg("SETUSER").arg("default").arg(rights).to_owned();
        // Redis closes the connections of those who listen to what they may not.
        rights("resetchannels").exec_async(&mut other).await.unwrap();
        heard(&mut pushes, &PushKind::Disconnection).await;
        cmd("PING").exec_async(&mut manager).await.expect("it is back, and says that all is well");
        rights("allchannels").exec_async(&mut other).await.unwrap();
        for _ in 0..3 {
            cmd("PING").exec_async(&mut manager).await.expect("it still says so");
            assert_eq!(listeners(&mut other).await, 0);
        }
    });
}

#[test]
fn its_manager_has_each_publication_wait_for_a_silent_server_and_sends_it_late() {
    let redis = Redis::start();
    run(async {
        // Too short for a server that is busy, and still each of them waits.
        let (mut manager, mut pushes) = manager(&redis, Duration::from_millis(300)).await;
        pause(redis.pid());
        for message in ["1", "2"] {
            let publish = cmd("PUBLISH").arg(CHANNEL).arg(message).to_owned();
            let error = publish.exec_async(&mut manager).await.unwrap_err();
            assert!(error.is_timeout() && !error.is_unrecoverable_error(), "{error}");
        }
        let nothing = |kind| !matches!(kind, PushKind::Disconnection);
        assert!(std::iter::from_fn(|| pushes.try_recv().ok()).all(|push| nothing(push.kind)));
        send(redis.pid(), Signal::CONT);
        for message in ["1", "2"] {
            let late = heard(&mut pushes, &PushKind::Message).await;
            assert_eq!(late.as_deref(), Some(message), "the sender was told that it failed");
        }
    });
}

#[test]
fn its_connection_takes_a_goodbye_for_an_answer() {
    let cluster = Cluster::start("127.0.0.1");
    run(async {
        let (pushes, _heard) = unbounded_channel();
        let config = AsyncConnectionConfig::new()
            .set_push_sender(pushes)
            .set_response_timeout(Some(DEADLINE));
        let url = format!("{}?protocol=resp3", cluster.url_of(CHANNEL));
        let client = Client::open(url).unwrap();
        let connected = client.get_multiplexed_async_connection_with_config(&config).await;
        let mut connection = connected.unwrap();
        let mut other = client.get_multiplexed_async_connection().await.unwrap();
        cmd("SSUBSCRIBE").arg(CHANNEL).exec_async(&mut connection).await.unwrap();
        // An answer that takes as long as there is no replica: for ever.
        let mut waiting = connection.clone();
        let wait = cmd("WAIT").arg(1).arg(0).to_owned();
        let (answer, ()) = tokio::join!(wait.query_async::<Value>(&mut waiting), async {
            let clients = cmd("CLIENT").arg("LIST").to_owned();
            while !clients.query_async::<String>(&mut other).await.unwrap().contains("cmd=wait ") {}
            cluster.hand_over(CHANNEL);
        });
        let answer = answer.unwrap();
        let kind = match &answer {
            Value::Push { kind, .. } => Some(kind),
            _ => None,
        };
        assert_eq!(kind, Some(&PushKind::SUnsubscribe), "{answer:?}");
    });
}

#[test]
fn its_cluster_connection_forgets_a_channel_whose_slot_moves() {
    let cluster = Cluster::start("127.0.0.1");
    run(async {
        let (pushes, mut heard_pushes) = unbounded_channel();
        let client = ClusterClientBuilder::new(cluster.urls().split(','))
            .use_protocol(ProtocolVersion::RESP3)
            .push_sender(pushes)
            .build()
            .unwrap();
        let mut connection = client.get_async_connection().await.unwrap();
        connection.ssubscribe(CHANNEL).await.unwrap();
        let publish = cmd("SPUBLISH").arg(CHANNEL).arg("").to_owned();
        assert_eq!(publish.query_async::<u64>(&mut connection).await.unwrap(), 1);
        cluster.hand_over(CHANNEL);
        heard(&mut heard_pushes, &PushKind::SUnsubscribe).await;
        // Each is redirected to the new owner, so the connection knows where that is.
        for _ in 0..5 {
            assert_eq!(publish.query_async::<u64>(&mut connection).await.unwrap(), 0);
        }
    });
}
