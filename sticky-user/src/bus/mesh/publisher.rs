//! The publishing side: links that other workers have opened to hear this one.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::consume_budget;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::error::FrameError;
use super::frame::{self, Frame};
use super::queue;
use super::stay::Stay;
use super::stream::read;
use crate::bus::health::HealthReporter;

/// How long a sender waits for a worker with a long queue.
const PATIENCE: Duration = Duration::from_millis(250);

/// The workers that hear this one.
#[derive(Debug)]
pub(super) struct Publisher {
    node: u64,
    health: HealthReporter,
    stay: Stay,
    subscribers: Mutex<Subscribers>,
    /// A subscriber has said what it wants.
    settled: Notify,
}

#[derive(Debug, Default)]
struct Subscribers {
    links: HashMap<u64, Link>,
    next: u64,
}

#[derive(Debug)]
struct Link {
    node: u64,
    slot: u32,
    channels: HashSet<String>,
    queue: queue::Sender,
    /// It has said what it wants.
    settled: bool,
    /// Messages dropped since it has stopped to read.
    missed: u64,
}

impl Publisher {
    pub(super) fn new(node: u64, health: HealthReporter, stay: Stay) -> Self {
        Self { node, health, stay, subscribers: Mutex::default(), settled: Notify::new() }
    }

    /// The number of this worker.
    pub(super) fn node(&self) -> u64 {
        self.node
    }

    /// Waits until the workers of these slots hear this one, and until all that do have said what they
    /// want.
    pub(super) async fn heard_by(&self, slots: HashSet<u32>) {
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            // From here on none is missed.
            settled.as_mut().enable();
            if self.have_settled(&slots) {
                return;
            }
            settled.await;
        }
    }

    fn have_settled(&self, slots: &HashSet<u32>) -> bool {
        let subscribers = self.lock();
        let links = || subscribers.links.values();
        let is_there = |slot| links().any(|link| link.slot == slot);
        links().all(|link| link.settled) && slots.iter().copied().all(is_there)
    }

    /// The workers that want a channel's messages.
    pub(super) fn subscribers(&self, channel: &str) -> Vec<u64> {
        let subscribers = self.lock();
        let wanting = subscribers.links.values().filter(|link| link.channels.contains(channel));
        wanting.map(|link| link.node).collect()
    }

    /// Sends a message to all who want it, by way of their queues.
    ///
    /// A sender that is faster than its hearers is held back, but by one that does not read at all
    /// only once, and for at most [`PATIENCE`].
    pub(super) async fn publish(&self, channel: &str, payload: &[u8]) -> Result<(), FrameError> {
        for (id, queue) in self.crowded(channel) {
            if timeout(PATIENCE, queue.low()).await.is_err() {
                self.change(id, Link::stall);
            }
        }
        self.put(channel, payload)?;
        // The writers of the queues run in this thread too.
        consume_budget().await;
        Ok(())
    }

    fn crowded(&self, channel: &str) -> Vec<(u64, queue::Sender)> {
        let subscribers = self.lock();
        let crowded = subscribers.links.iter().filter(|(_, link)| {
            !link.queue.is_stalled() && !link.queue.is_low() && link.channels.contains(channel)
        });
        crowded.map(|(&id, link)| (id, link.queue.clone())).collect()
    }

    fn put(&self, channel: &str, payload: &[u8]) -> Result<(), FrameError> {
        let mut subscribers = self.lock();
        let mut frame = None;
        let mut dropped = 0;
        for link in subscribers.links.values_mut() {
            if link.channels.contains(channel) {
                let frame = match &mut frame {
                    Some(frame) => frame,
                    None => frame.insert(frame::message(channel, payload)?),
                };
                dropped += u64::from(!link.put(Arc::clone(frame)));
            }
        }
        self.health.dropped(dropped);
        Ok(())
    }

    /// Serves those who open a link, for ever.
    pub(super) async fn accept(self: &Arc<Self>, listener: &UnixListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.stay.link(Arc::clone(self).serve(stream)),
                Err(error) => {
                    warn!("the bus cannot accept a worker: {error}; trying again");
                    sleep(PATIENCE).await; // real delay: no event tells that it may work now
                }
            }
        }
    }

    /// Serves one subscriber until it goes, or this worker does.
    async fn serve(self: Arc<Self>, stream: UnixStream) {
        let (reader, writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        let hello = tokio::select! {
            hello = read(&mut reader) => hello,
            () = self.stay.over() => return,
        };
        let Ok(Some(Frame::Hello { node, slot })) = hello else {
            debug!("somebody opened a link of the bus and did not say hello");
            return;
        };
        let (queue, waiting) = queue::new();
        let channels = HashSet::new();
        let id = self.enter(Link { node, slot, channels, queue, settled: false, missed: 0 });
        let ended = tokio::select! {
            ended = self.listen(id, reader) => ended,
            ended = self.write(id, writer, waiting) => ended,
            () = self.stay.over() => Ok(()),
        };
        self.leave(id);
        debug!(slot, "a worker no longer hears this one: {ended:?}");
    }

    fn enter(&self, link: Link) -> u64 {
        let mut subscribers = self.lock();
        let id = subscribers.next;
        subscribers.next += 1;
        subscribers.links.insert(id, link);
        self.report_peers(&subscribers);
        id
    }

    fn leave(&self, id: u64) {
        let mut subscribers = self.lock();
        subscribers.links.remove(&id);
        self.report_peers(&subscribers);
        // One that goes is waited for no longer.
        self.settled.notify_waiters();
    }

    fn report_peers(&self, subscribers: &Subscribers) {
        self.health.peers(u16::try_from(subscribers.links.len()).unwrap_or(u16::MAX));
    }

    async fn listen(&self, id: u64, mut reader: BufReader<OwnedReadHalf>) -> io::Result<()> {
        self.tell(id, &Frame::Welcome { node: self.node })?;
        while let Some(frame) = read(&mut reader).await? {
            match frame {
                Frame::Subscribe(channel) => self.change(id, |link| {
                    link.channels.insert(channel);
                }),
                Frame::Unsubscribe(channel) => self.change(id, |link| {
                    link.channels.remove(&channel);
                }),
                Frame::Sync => {
                    self.tell(id, &Frame::Synced)?;
                    self.change(id, |link| link.settled = true);
                    self.settled.notify_waiters();
                }
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        Ok(())
    }

    async fn write(
        &self,
        id: u64,
        mut writer: OwnedWriteHalf,
        mut waiting: queue::Receiver,
    ) -> io::Result<()> {
        while let Some(frame) = waiting.next().await {
            writer.write_all(&frame).await?;
            if waiting.recovered() {
                self.change(id, Link::resume);
            }
        }
        Ok(())
    }

    fn change(&self, id: u64, change: impl FnOnce(&mut Link)) {
        if let Some(link) = self.lock().links.get_mut(&id) {
            change(link);
        }
    }

    fn tell(&self, id: u64, frame: &Frame) -> io::Result<()> {
        let frame = frame.encode().map_err(io::Error::other)?;
        let told = self.lock().links.get(&id).is_some_and(|link| link.queue.put(frame));
        // Who lets its queue run full has to open the link anew.
        if told { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }

    fn lock(&self) -> MutexGuard<'_, Subscribers> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    fn put(&mut self, frame: Arc<[u8]>) -> bool {
        if !self.queue.is_stalled() && self.queue.put(frame) {
            return true;
        }
        self.stall();
        self.missed += 1;
        false
    }

    fn stall(&mut self) {
        if self.queue.stall() {
            let slot = self.slot;
            warn!(slot, "the worker does not read what this one says: messages to it are dropped");
        }
    }

    fn resume(&mut self) {
        info!(slot = self.slot, "the worker reads again; it missed {} messages", self.missed);
        self.missed = 0;
    }
}
