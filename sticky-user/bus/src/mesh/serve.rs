//! The publishing side of a link: another worker has opened it to hear this one.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use sticky_contract::SlotId;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::budget::{Budget, Reservation};
use super::frame::{Frame, MAX_GREETING, MAX_REQUEST};
use super::publisher::{Publisher, STUCK_TIMEOUT};
use super::queue::{self, QueuedFrame};
use super::stream::read;
use super::subscribers::Subscriber;
use crate::mesh_sockets;
use sticky_contract::lease::{AcceptLease, LeaseGuard};

/// How long a program that opens a link may take to say who it is: it does so at once.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// How many may be about to say so, beside one worker per slot. The next one takes the place of the one
/// that has waited longest.
const MORE_NEWCOMERS: usize = 64;

/// Answers that may wait for one subscriber. The subscriber is not listened to before it has read some.
const MAX_ANSWERS: usize = 16;

/// How long a worker that leaves waits for subscribers to read what it said before.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// Between two attempts to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

/// Openers of links that have not said yet who they are; the opener that has waited longest comes first.
struct Newcomers {
    most: usize,
    waiting: VecDeque<oneshot::Sender<()>>,
}

/// How a link ended.
enum Ended {
    Closed(io::Result<()>),
    Stuck,
    Leaving,
}

impl Publisher {
    /// Serves the workers that open a link as long as this worker holds the lease. Then leaves the mesh.
    pub(super) async fn serve_while_leased(
        self: Arc<Self>,
        listener: UnixListener,
        lease: AcceptLease,
        guard: LeaseGuard,
    ) {
        lease.held().await;
        tokio::select! {
            biased;
            () = lease.releasing() => {}
            () = self.accept(&listener) => {}
        }
        // A worker that opens a link now waits for the next worker of this slot.
        drop(listener);
        self.membership.leave().await;
        drop(guard);
    }

    /// Serves the workers that open a link, for ever.
    async fn accept(self: &Arc<Self>, listener: &UnixListener) {
        let most = self.slots.get() as usize + MORE_NEWCOMERS;
        let mut newcomers = Newcomers { most, waiting: VecDeque::new() };
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    self.membership.spawn_link(Arc::clone(self).serve(stream, newcomers.enter()));
                }
                Err(error) => {
                    if let Some(times) = self.log.unaccepted.count() {
                        warn!(
                            "the bus cannot accept a worker ({times} times): {error}; trying again"
                        );
                    }
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "no event tells that it may work now"
                    )]
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Serves one subscriber until it goes, or this worker does.
    async fn serve(self: Arc<Self>, stream: UnixStream, displaced: oneshot::Receiver<()>) {
        let (reader, mut writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        let greeted = tokio::select! {
            greeted = self.greeted(&mut reader) => greeted,
            _ = displaced => Err("too many opened links and said nothing".into()),
            () = self.membership.over() => return,
        };
        let given_up = CancellationToken::new();
        let (queue, mut waiting) = queue::new();
        let entered = greeted.and_then(|greeted| {
            let Some((node, slot)) = greeted else { return Ok(None) };
            let subscriber = Subscriber::new(node, slot, queue, given_up.clone().drop_guard());
            self.enter(subscriber).map(|id| Some((id, node, slot)))
        });
        let (id, node, slot) = match entered {
            Ok(Some(entered)) => entered,
            Ok(None) => return,
            Err(reason) => {
                if let Some(times) = self.log.refused.count() {
                    warn!("links of the bus were refused ({times}), the last because {reason}");
                }
                return;
            }
        };
        let ended = tokio::select! {
            ended = self.listen(id, reader) => Ended::Closed(ended),
            ended = waiting.write_to(&mut writer) => Ended::Closed(ended),
            () = self.membership.over() => Ended::Leaving,
            () = given_up.cancelled() => Ended::Stuck,
        };
        self.change(|subscribers| subscribers.remove(id));
        if matches!(ended, Ended::Leaving) {
            // Nothing more comes into its queue: it reads what is there.
            let _ = timeout(LEAVE_TIMEOUT, waiting.write_to(&mut writer)).await;
        }
        let lost = waiting.end();
        if lost > 0 {
            self.tell_missed(node, slot).await;
        }
        self.tell(slot, &ended, lost);
    }

    /// Tells the worker `subscriber` of `slot` that it misses messages of this one. Not over its link, which is full.
    /// If that cannot be done, it learns it when it opens its link again and this worker is there still.
    async fn tell_missed(&self, subscriber: u64, slot: SlotId) {
        let path = mesh_sockets::path(&self.directory, slot);
        let told = async {
            let missed = Frame::Missed { subscriber, slot: self.local.slot };
            let bytes = missed.encode().map_err(io::Error::other)?;
            UnixStream::connect(path).await?.write_all(&bytes).await
        };
        match timeout(LEAVE_TIMEOUT, told).await {
            Ok(Ok(())) => {}
            failed => debug!(%slot, "a worker cannot be told that it missed messages: {failed:?}"),
        }
    }

    /// Counts what a link took with it, and tells if it is more than to be expected.
    fn tell(&self, slot: SlotId, ended: &Ended, lost: u64) {
        self.health.dropped(lost);
        match ended {
            Ended::Stuck => {
                if let Some(times) = self.log.stuck.count() {
                    warn!(
                        %slot,
                        "a worker has read nothing for {STUCK_TIMEOUT:?} while senders waited for it \
                         ({times} times): its link is closed, and {lost} messages to it are lost"
                    );
                }
            }
            Ended::Leaving if lost > 0 => {
                warn!(%slot, "this worker leaves, and {lost} messages to another are not read");
            }
            Ended::Leaving => debug!(%slot, "this worker leaves"),
            Ended::Closed(closed) => {
                debug!(%slot, "a worker no longer hears this one: {closed:?}; {lost} lost");
            }
        }
    }

    /// The worker that opened a link, or why the link is closed again; `None` when its opener has gone, without
    /// a word.
    async fn greeted(
        &self,
        reader: &mut BufReader<OwnedReadHalf>,
    ) -> Result<Option<(u64, SlotId)>, String> {
        let existing =
            |slot: SlotId| self.slots.slot(slot.get()).map_err(|error| error.to_string());
        match timeout(HELLO_TIMEOUT, read(reader, MAX_GREETING)).await {
            Ok(Ok(Some(Frame::Hello { node, slot }))) => Ok(Some((node, existing(slot)?))),
            Ok(Ok(Some(Frame::Missed { subscriber, slot }))) => {
                let slot = existing(slot)?;
                // Not for this worker's predecessor, which it may have been written to.
                if subscriber == self.local.node {
                    self.local.missed(slot);
                }
                Ok(None)
            }
            Ok(Ok(Some(_))) => Err("its opener did not say who it is".into()),
            Ok(Ok(None)) => Ok(None),
            Ok(Err(error)) => Err(format!("its opener spoke nonsense: {error}")),
            Err(_) => Err(format!("its opener said nothing for {HELLO_TIMEOUT:?}")),
        }
    }

    fn enter(&self, subscriber: Subscriber) -> Result<u64, String> {
        // One per slot; more only while the end of a worker's link is not noticed yet.
        let most = 2 * self.slots.get() as usize + 16;
        self.change(|subscribers| {
            if subscribers.len() < most {
                Ok(subscribers.add(subscriber))
            } else {
                Err(format!("{most} are open"))
            }
        })
    }

    async fn listen(&self, id: u64, mut reader: BufReader<OwnedReadHalf>) -> io::Result<()> {
        let answers = Budget::of(MAX_ANSWERS);
        self.answer(id, &Frame::Welcome { node: self.local.node }, answers.reserve_one().await)?;
        while let Some(frame) = read(&mut reader, MAX_REQUEST).await? {
            if let Some(subscriber) = self.lock().get(id) {
                subscriber.frames += 1;
            }
            match frame {
                Frame::Subscribe(channel) => {
                    let wanted = self.lock().get(id).is_none_or(|one| one.subscribe(channel));
                    if !wanted {
                        return Err(io::Error::other("it wants too many channels"));
                    }
                }
                Frame::Unsubscribe(channel) => {
                    if let Some(subscriber) = self.lock().get(id) {
                        subscriber.unsubscribe(&channel);
                    }
                }
                Frame::Sync => {
                    self.answer(id, &Frame::Synced, answers.reserve_one().await)?;
                    self.change(|subscribers| {
                        if let Some(subscriber) = subscribers.get(id) {
                            subscriber.is_synced = true;
                        }
                    });
                }
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        Ok(())
    }

    fn answer(&self, id: u64, frame: &Frame, reservation: Reservation) -> io::Result<()> {
        let answer = QueuedFrame::answer(frame.encode().map_err(io::Error::other)?, reservation);
        let mut subscribers = self.lock();
        let put = subscribers.get(id).is_some_and(|one| one.queue.put(answer, Reservation::none()));
        if put { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }
}

impl Newcomers {
    /// One more; what it gets ends when it has to go.
    fn enter(&mut self) -> oneshot::Receiver<()> {
        self.waiting.retain(|newcomer| !newcomer.is_closed());
        if self.waiting.len() >= self.most {
            self.waiting.pop_front();
        }
        let (stays, displaced) = oneshot::channel();
        self.waiting.push_back(stays);
        displaced
    }
}
