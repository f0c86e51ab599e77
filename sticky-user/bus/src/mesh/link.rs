//! The task of one link to the worker of another slot, which opens it again whenever it closes.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use sticky_contract::SlotId;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;
use tracing::debug;

use super::frame::{Frame, MAX_FRAME, MAX_GREETING};
use super::local::Local;
use super::stream::read;
use crate::backoff::Backoff;

/// How often a link says that it is there while it waits for clients to have capacity.
const KEEPALIVE: Duration = Duration::from_millis(500);

/// What a link is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    Subscribe(String),
    Unsubscribe(String),
    /// Tell when the publisher has heard everything so far. Dropped when the link closes.
    Sync(oneshot::Sender<()>),
}

/// The callers that wait for each `Sync` which was written and is not answered yet.
type Unanswered = Mutex<VecDeque<Vec<oneshot::Sender<()>>>>;

/// Keeps a link to `slot`, whose socket is at `path`, until nobody commands it any more.
pub(super) async fn keep(
    slot: SlotId,
    path: PathBuf,
    local: Arc<Local>,
    mut commands: UnboundedReceiver<Command>,
    is_live: Arc<AtomicBool>,
) {
    let mut backoff = Backoff::default();
    let mut last = None;
    while !commands.is_closed() {
        let mut lasted = Duration::ZERO;
        match UnixStream::connect(&path).await {
            Ok(stream) => {
                let link = OpenLink {
                    slot,
                    local: &local,
                    is_live: &is_live,
                    last,
                    publisher: OnceLock::new(),
                    held_up: watch::Sender::default(),
                    unanswered: Unanswered::default(),
                };
                let ended = link.run(stream, &mut commands).await;
                is_live.store(false, Ordering::Relaxed);
                debug!(%slot, "a link of the bus is closed: {ended:?}");
                if let Some((node, since)) = link.publisher.into_inner() {
                    last = Some(node);
                    lasted = since.elapsed();
                }
            }
            // The socket belongs to the slot: without it there is neither worker nor supervisor.
            Err(error) => debug!(%slot, "cannot reach {}: {error}", path.display()),
        }
        // A path has no event to wait for, and a peer that closes each link is not to keep this one busy.
        #[expect(clippy::disallowed_methods, reason = "between attempts")]
        sleep(backoff.pause_after(lasted)).await;
    }
}

/// A link while it is open.
struct OpenLink<'a> {
    slot: SlotId,
    local: &'a Local,
    is_live: &'a AtomicBool,
    /// The worker that was heard before.
    last: Option<u64>,
    /// The worker that is heard, and since when.
    publisher: OnceLock<(u64, Instant)>,
    /// The channel of a message that clients have no capacity for at present.
    held_up: watch::Sender<Option<String>>,
    unanswered: Unanswered,
}

impl OpenLink<'_> {
    async fn run(
        &self,
        stream: UnixStream,
        commands: &mut UnboundedReceiver<Command>,
    ) -> io::Result<()> {
        let (reader, mut writer) = stream.into_split();
        let Local { node, slot, .. } = *self.local;
        say(&mut writer, &Frame::Hello { node, slot }).await?;
        let mut reader = BufReader::new(reader);
        // The link may have waited long for a worker to come, while the subscriptions changed.
        let Some(Frame::Welcome { node }) = read(&mut reader, MAX_GREETING).await? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let _ = self.publisher.set((node, Instant::now()));
        // It is there still: it has given this worker up in between.
        if self.last == Some(node) {
            self.local.missed(self.slot);
        }
        // Commands up to here are part of the subscriptions already; their callers still wait.
        let mut waiting = Vec::new();
        while let Ok(command) = commands.try_recv() {
            if let Command::Sync(answer) = command {
                waiting.push(answer);
            }
        }
        for channel in self.local.subscriptions.channels() {
            say(&mut writer, &Frame::Subscribe(channel)).await?;
        }
        self.sync(&mut writer, waiting).await?;
        let ended = tokio::select! {
            // First what it still said.
            biased;
            ended = self.hear(node, &mut reader) => ended,
            ended = self.obey(writer, commands) => ended,
        };
        // What it still owes, it will never say.
        for stand_ins in self.local.pending.gone(self.slot, node) {
            stand_ins.deliver(&self.local.subscriptions);
        }
        ended
    }

    async fn obey(
        &self,
        mut writer: OwnedWriteHalf,
        commands: &mut UnboundedReceiver<Command>,
    ) -> io::Result<()> {
        loop {
            let command = tokio::select! {
                command = commands.recv() => command,
                // The publisher has that already: this only tells that this worker is there.
                channel = self.is_held_up() => Some(Command::Subscribe(channel)),
            };
            let Some(command) = command else { return Ok(()) };
            match command {
                Command::Subscribe(channel) => say(&mut writer, &Frame::Subscribe(channel)).await?,
                Command::Unsubscribe(channel) => {
                    say(&mut writer, &Frame::Unsubscribe(channel)).await?;
                }
                Command::Sync(answer) => self.sync(&mut writer, vec![answer]).await?,
            }
        }
    }

    /// Waits until the link is held up, and a little longer.
    async fn is_held_up(&self) -> String {
        let mut held_up = self.held_up.subscribe();
        loop {
            // The sender is here, so it is not closed.
            let channel =
                held_up.wait_for(Option::is_some).await.ok().and_then(|held| held.clone());
            #[expect(clippy::disallowed_methods, reason = "between two signs of life")]
            sleep(KEEPALIVE).await;
            if let Some(channel) = channel
                && held_up.borrow().is_some()
            {
                return channel;
            }
        }
    }

    async fn sync(
        &self,
        writer: &mut OwnedWriteHalf,
        waiting: Vec<oneshot::Sender<()>>,
    ) -> io::Result<()> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner).push_back(waiting);
        say(writer, &Frame::Sync).await
    }

    async fn hear(&self, node: u64, reader: &mut BufReader<OwnedReadHalf>) -> io::Result<()> {
        while let Some(frame) = read(reader, MAX_FRAME).await? {
            match frame {
                Frame::Message { channel, payload } => self.message(node, channel, payload).await,
                Frame::Synced => {
                    self.is_live.store(true, Ordering::Relaxed);
                    let mut unanswered =
                        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
                    for answer in unanswered.pop_front().unwrap_or_default() {
                        // The caller may have stopped waiting.
                        let _ = answer.send(());
                    }
                }
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        Ok(())
    }

    /// Hands a message on. What comes on this link waits behind it, and the other worker's senders with
    /// it; no other link does.
    async fn message(&self, node: u64, channel: String, payload: Vec<u8>) {
        if let Some(namespace) = self.local.namespaces.of_channel(&channel) {
            let mut handling = pin!(self.local.namespaces.handle(&namespace, &payload));
            if poll_fn(|cx| Poll::Ready(handling.as_mut().poll(cx))).await.is_pending() {
                self.held_up.send_replace(Some(channel));
                handling.await;
                self.held_up.send_replace(None);
            }
        } else if !self.local.pending.received(node, &channel, &payload) {
            self.unexpected();
        } else if let Some(receiver) = self.local.subscriptions.sender(&channel) {
            // A closed one wants nothing more.
            let _ = receiver.send((channel, payload)).await;
        }
    }

    fn unexpected(&self) {
        if let Some(times) = self.local.log.unexpected.count() {
            debug!(slot = %self.slot, "{times} responses came to nothing that was asked");
        }
    }
}

async fn say(writer: &mut OwnedWriteHalf, frame: &Frame) -> io::Result<()> {
    writer.write_all(&frame.encode().map_err(io::Error::other)?).await
}
