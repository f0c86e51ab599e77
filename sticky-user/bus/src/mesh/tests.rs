//! Several workers' meshes in one process: the sockets are real.

mod hostile;
mod pressure;

use std::sync::atomic::{AtomicU16, Ordering};

use futures_core::Stream;
use sticky_contract::PerSlot;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::*;

/// A supervisor's part: a socket per slot.
struct Slots {
    directory: TempDir,
    sockets: PerSlot<StdListener>,
}

impl Slots {
    fn open(slots: u32) -> Self {
        let directory = TempDir::new().unwrap();
        let bind = |slot| StdListener::bind(mesh_sockets::path(directory.path(), slot)).unwrap();
        let sockets = PerSlot::new(SlotCount::new(slots).unwrap(), bind);
        Self { directory, sockets }
    }

    fn slot(&self, number: u32) -> SlotId {
        self.sockets.count().slot(number).unwrap()
    }

    fn place(&self, slot: u32) -> (Place, StdListener) {
        let (slot, slots) = (self.slot(slot), self.sockets.count());
        let place = Place { directory: self.directory.path().into(), slot, slots };
        (place, self.sockets[slot].try_clone().unwrap())
    }

    async fn join(&self, slot: u32) -> Mesh {
        self.join_with(slot, &AcceptLease::unshared()).await
    }

    async fn join_with(&self, slot: u32, lease: &AcceptLease) -> Mesh {
        let (place, socket) = self.place(slot);
        Mesh::join(&place, socket.into(), lease, &Backlogs::default()).await.unwrap()
    }

    /// The lease of one of several workers that share one.
    fn lease(&self) -> AcceptLease {
        let mut options = std::fs::File::options();
        options.read(true).write(true).create(true).truncate(false);
        AcceptLease::on(options.open(self.directory.path().join("lease")).unwrap()).unwrap()
    }

    /// A worker in a runtime of its own, which takes its links with it when it dies.
    fn worker(&self, slot: u32, channel: &'static str) -> Worker {
        let (place, socket) = self.place(slot);
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (end, ended) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let lease = AcceptLease::unshared();
                let mesh =
                    Mesh::join(&place, socket.into(), &lease, &Backlogs::default()).await.unwrap();
                let _messages = mesh.subscribe(channel.into(), 8).await;
                ready.send(()).unwrap();
                let _ = ended.await;
            });
        });
        is_ready.recv().unwrap();
        Worker { end, thread }
    }
}

struct Worker {
    end: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Worker {
    fn die(self) {
        drop(self.end);
        self.thread.join().unwrap();
    }
}

async fn next(stream: &mut MessageStream<ChanItem>) -> ChanItem {
    let next = std::future::poll_fn(|cx| std::pin::Pin::new(&mut *stream).poll_next(cx));
    timeout(std::time::Duration::from_secs(20), next).await.unwrap().unwrap()
}

async fn until(health: &mut watch::Receiver<Health>, condition: impl FnMut(&Health) -> bool) {
    let changed = health.wait_for(condition);
    timeout(std::time::Duration::from_secs(20), changed).await.unwrap().unwrap();
}

#[tokio::test]
async fn messages_come_in_order_and_whole() {
    let slots = Slots::open(3);
    let (a, b, c) = tokio::join!(slots.join(0), slots.join(1), slots.join(2));
    let mut heard_by_b = b.subscribe("news".into(), 8).await;
    let mut heard_by_c = c.subscribe("news".into(), 8).await;
    assert_eq!((a.workers("news"), b.workers("news"), a.workers("other")), (3, 2, 1));

    let large = vec![7; 3 << 20];
    a.publish("news", &large).await.unwrap();
    for number in 0..1000_u32 {
        a.publish("news", &number.to_be_bytes()).await.unwrap();
    }
    for heard in [&mut heard_by_b, &mut heard_by_c] {
        assert_eq!(next(heard).await, ("news".into(), large.clone()));
        for number in 0..1000_u32 {
            assert_eq!(next(heard).await.1, number.to_be_bytes());
        }
    }
}

#[tokio::test]
async fn who_no_longer_wants_a_channel_no_longer_counts() {
    let slots = Slots::open(2);
    let (a, b) = tokio::join!(slots.join(0), slots.join(1));
    let _messages = b.subscribe("news".into(), 8).await;
    b.unsubscribe("news");
    // What comes later on the same link stands, so what came before does too.
    let _others = b.subscribe("other".into(), 8).await;
    assert_eq!((a.workers("news"), a.workers("other")), (1, 2));
}

// More than one thread: the worker that comes is waited for without giving this one's up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_has_gone_no_longer_counts_and_its_successor_does() {
    let slots = Slots::open(2);
    let first = slots.worker(1, "news");
    let a = slots.join(0).await;
    let mut health = a.health();
    assert_eq!(a.workers("news"), 2, "who was there before is known from the start");
    first.die();
    until(&mut health, |health| health.peers == 0).await;
    assert_eq!(a.workers("news"), 1);
    let second = slots.worker(1, "news");
    assert_eq!(a.workers("news"), 2, "who is ready is known already");
    second.die();
}

#[tokio::test]
async fn a_successor_joins_when_its_predecessor_has_left() {
    let slots = Slots::open(2);
    let a = slots.join(0).await;
    let mut health = a.health();
    let most_peers = Arc::new(AtomicU16::new(0));
    let most = Arc::clone(&most_peers);
    let watching = tokio::spawn(async move {
        while health.changed().await.is_ok() {
            most.fetch_max(health.borrow_and_update().peers, Ordering::Relaxed);
        }
    });
    let mut heard_by_a = a.subscribe("news".into(), 8).await;

    let leases = [slots.lease(), slots.lease()];
    let first = slots.join_with(1, &leases[0]).await;
    let mut heard_by_first = first.subscribe("news".into(), 8).await;
    let second = slots.join_with(1, &leases[1]).await;
    let mut heard_by_second = second.subscribe("news".into(), 8).await;
    assert_eq!((a.workers("news"), second.health().borrow().up), (2, false));
    a.publish("news", b"for the first").await.unwrap();
    assert_eq!(next(&mut heard_by_first).await.1, b"for the first");

    let patience = std::time::Duration::from_secs(20);
    timeout(patience, leases[0].release()).await.unwrap();
    timeout(patience, leases[1].prepared()).await.unwrap();
    assert!(second.health().borrow().up);
    assert_eq!((a.workers("news"), second.workers("news")), (2, 2), "all know each other");
    a.publish("news", b"for the second").await.unwrap();
    assert_eq!(next(&mut heard_by_second).await.1, b"for the second");
    second.publish("news", b"from the second").await.unwrap();
    first.publish("news", b"from who has left").await.unwrap();
    second.publish("news", b"more").await.unwrap();
    assert_eq!(next(&mut heard_by_a).await.1, b"from the second");
    assert_eq!(next(&mut heard_by_a).await.1, b"more");
    assert_eq!(most_peers.load(Ordering::Relaxed), 1, "a slot has one worker at a time");
    watching.abort();
}

#[tokio::test]
async fn a_broadcast_is_encoded_once_and_takes_one_lock() {
    /// Counts how often it is encoded.
    struct Content(std::cell::Cell<u64>);

    impl Serialize for Content {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.set(self.0.get() + 1);
            serializer.serialize_str("hot")
        }
    }

    let slots = Slots::open(3);
    let (a, b, c) = tokio::join!(slots.join(0), slots.join(1), slots.join(2));
    let mut heard = [b.subscribe("news".into(), 8).await, c.subscribe("news".into(), 8).await];
    let content = Content(std::cell::Cell::default());
    let before = a.publisher.locks.load(Ordering::Relaxed);
    a.broadcast("news", &content).await.unwrap();
    // Nothing else locks meanwhile: nobody comes, goes or subscribes.
    assert_eq!(a.publisher.locks.load(Ordering::Relaxed) - before, 1);
    assert_eq!(content.0.get(), 1);
    for heard in &mut heard {
        assert_eq!(next(heard).await, ("news".into(), rmp_serde::to_vec("hot").unwrap()));
    }
}
