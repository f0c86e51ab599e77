//! The publishing side: links that other workers have opened to hear this one.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tracing::{debug, info, warn};

use super::error::FrameError;
use super::frame::{self, Frame};
use super::queue;
use super::stream::read;
use crate::bus::health::HealthReporter;

/// The workers that hear this one.
#[derive(Debug)]
pub(super) struct Publisher {
    node: u64,
    health: HealthReporter,
    subscribers: Mutex<Subscribers>,
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
    /// Messages dropped since the queue was full for the first time; none when it is not.
    dropping: u64,
}

impl Publisher {
    pub(super) fn new(node: u64, health: HealthReporter) -> Self {
        Self { node, health, subscribers: Mutex::default() }
    }

    /// The workers that want a channel's messages.
    pub(super) fn subscribers(&self, channel: &str) -> Vec<u64> {
        let subscribers = self.lock();
        let wanting = subscribers.links.values().filter(|link| link.channels.contains(channel));
        wanting.map(|link| link.node).collect()
    }

    /// Sends a message to all who want it: puts it into their queues, and waits for nobody.
    pub(super) fn publish(&self, channel: &str, payload: &[u8]) -> Result<(), FrameError> {
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

    /// Serves those who open a link, as long as the listener lives.
    pub(super) async fn accept(self: Arc<Self>, listener: UnixListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(Arc::clone(&self).serve(stream, None));
                }
                Err(error) => {
                    warn!("the bus accepts no further workers: {error}");
                    return;
                }
            }
        }
    }

    /// Serves one subscriber until it goes. `settled` is told when it has said what it wants.
    pub(super) async fn serve(
        self: Arc<Self>,
        stream: UnixStream,
        settled: Option<oneshot::Sender<()>>,
    ) {
        let (reader, writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        let Ok(Some(Frame::Hello { node, slot })) = read(&mut reader).await else {
            debug!("somebody opened a link of the bus and did not say hello");
            return;
        };
        let (queue, waiting) = queue::new();
        let id = self.enter(Link { node, slot, channels: HashSet::new(), queue, dropping: 0 });
        let ended = tokio::select! {
            ended = self.listen(id, reader, settled) => ended,
            ended = write(writer, waiting) => ended,
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
    }

    fn report_peers(&self, subscribers: &Subscribers) {
        self.health.peers(u16::try_from(subscribers.links.len()).unwrap_or(u16::MAX));
    }

    async fn listen(
        &self,
        id: u64,
        mut reader: BufReader<OwnedReadHalf>,
        mut settled: Option<oneshot::Sender<()>>,
    ) -> io::Result<()> {
        self.tell(id, &Frame::Welcome { node: self.node })?;
        while let Some(frame) = read(&mut reader).await? {
            match frame {
                Frame::Subscribe(channel) => self.change(id, |link| link.channels.insert(channel)),
                Frame::Unsubscribe(channel) => {
                    self.change(id, |link| link.channels.remove(&channel));
                }
                Frame::Sync => {
                    self.tell(id, &Frame::Synced)?;
                    // Nobody waits when the start is over.
                    let _ = settled.take().map(|settled| settled.send(()));
                }
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        Ok(())
    }

    fn change(&self, id: u64, change: impl FnOnce(&mut Link) -> bool) {
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
        let slot = self.slot;
        if self.queue.put(frame) {
            if self.dropping > 0 {
                info!(slot, "the worker reads again; it missed {} messages", self.dropping);
                self.dropping = 0;
            }
            return true;
        }
        if self.dropping == 0 {
            warn!(slot, "the worker does not read what this one says: messages to it are dropped");
        }
        self.dropping += 1;
        false
    }
}

async fn write(mut writer: OwnedWriteHalf, mut waiting: queue::Receiver) -> io::Result<()> {
    while let Some(frame) = waiting.next().await {
        writer.write_all(&frame).await?;
    }
    Ok(())
}
