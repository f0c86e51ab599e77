//! One link to the worker of another slot, opened again whenever it closes.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;
use tracing::{debug, warn};

use super::frame::{Frame, LONGEST, LONGEST_GREETING};
use super::stream::read;
use super::subscriber::{Command, Wishes};
use crate::backlog::Backlogs;

/// A link that lasted for so long was a good one: it is opened again at once.
const WELL: Duration = Duration::from_secs(1);

/// Pauses between attempts, the first and the longest, after one that was opened again at once.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How often a link says that it is there while it waits for clients to have room.
const SIGN_OF_LIFE: Duration = Duration::from_millis(500);

/// Those who wait for each `Sync` that was written and not answered yet.
type Unanswered = Mutex<VecDeque<Vec<oneshot::Sender<()>>>>;

/// Keeps a link to `slot`, whose socket is at `path`, until nobody commands it any more.
pub(super) async fn keep(
    slot: u32,
    path: PathBuf,
    wishes: Arc<Wishes>,
    mut commands: UnboundedReceiver<Command>,
    live: Arc<AtomicBool>,
) {
    let mut pauses = Pauses::default();
    let mut last = None;
    while !commands.is_closed() {
        let mut lasted = Duration::ZERO;
        match UnixStream::connect(&path).await {
            Ok(stream) => {
                let hearing = Hearing {
                    slot,
                    wishes: &wishes,
                    live: &live,
                    last,
                    publisher: OnceLock::new(),
                    held: watch::Sender::default(),
                    unanswered: Unanswered::default(),
                };
                let ended = hearing.run(stream, &mut commands).await;
                live.store(false, Ordering::Relaxed);
                debug!(slot, "a link of the bus is closed: {ended:?}");
                if let Some((node, since)) = hearing.publisher.into_inner() {
                    last = Some(node);
                    lasted = since.elapsed();
                }
            }
            // The socket belongs to the slot: without it there is neither worker nor supervisor.
            Err(error) => debug!(slot, "cannot reach {}: {error}", path.display()),
        }
        // A path has no event to wait for, and one that closes each link is not to keep this one busy.
        sleep(pauses.after(lasted)).await; // real delay: between attempts
    }
}

/// How long to wait before the next attempt.
#[derive(Debug, Default)]
struct Pauses(Duration);

impl Pauses {
    fn after(&mut self, lasted: Duration) -> Duration {
        let pause = if lasted >= WELL { Duration::ZERO } else { self.0 };
        self.0 = (pause * 2).clamp(PAUSES.0, PAUSES.1);
        pause
    }
}

/// A link while it is open.
struct Hearing<'a> {
    slot: u32,
    wishes: &'a Wishes,
    live: &'a AtomicBool,
    /// The worker that was heard before.
    last: Option<u64>,
    /// The worker that is heard, and since when.
    publisher: OnceLock<(u64, Instant)>,
    /// It waits for clients to have room for a message of this channel.
    held: watch::Sender<Option<String>>,
    unanswered: Unanswered,
}

impl Hearing<'_> {
    async fn run(
        &self,
        stream: UnixStream,
        commands: &mut UnboundedReceiver<Command>,
    ) -> io::Result<()> {
        let (reader, mut writer) = stream.into_split();
        let Wishes { node, slot, .. } = *self.wishes;
        say(&mut writer, &Frame::Hello { node, slot }).await?;
        let mut reader = BufReader::new(reader);
        // The link may have waited long for a worker to come, while what is wanted changed.
        let Some(Frame::Welcome { node }) = read(&mut reader, LONGEST_GREETING).await? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let _ = self.publisher.set((node, Instant::now()));
        if self.last == Some(node) {
            let clients = Backlogs::of_this_process().end_all();
            if let Some(times) = self.wishes.log.missed.again() {
                warn!(
                    slot = self.slot,
                    "a worker closed its link to this one, which did not read for too long ({times} \
                     times): what it said meanwhile is missed here; {clients} clients are \
                     disconnected, so that they know"
                );
            }
        }
        // Commands up to here are part of the wishes already; those who wait for them still wait.
        let mut waiting = Vec::new();
        while let Ok(command) = commands.try_recv() {
            if let Command::Sync(answer) = command {
                waiting.push(answer);
            }
        }
        for channel in self.wishes.channels() {
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
        self.wishes.ledger.gone(self.slot, node, self.wishes);
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
                // It has that already: this only tells that this worker is there.
                channel = self.held() => Some(Command::Subscribe(channel)),
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

    /// Waits until it is held up, and a little longer.
    async fn held(&self) -> String {
        let mut held = self.held.subscribe();
        loop {
            // The sender is here, so it is not closed.
            let channel = held.wait_for(Option::is_some).await.ok().and_then(|held| held.clone());
            sleep(SIGN_OF_LIFE).await; // real delay: between two signs of life
            if let Some(channel) = channel
                && held.borrow().is_some()
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
        while let Some(frame) = read(reader, LONGEST).await? {
            match frame {
                Frame::Message { channel, payload } => {
                    if !self.wishes.ledger.heard(node, &channel, &payload) {
                        self.unasked();
                    } else if let Some(receiver) = self.wishes.receiver(&channel) {
                        self.room(&channel, &payload).await;
                        // A full channel holds this link up, and no other: see `queue`. A closed
                        // one wants nothing more.
                        let _ = receiver.send((channel, payload)).await;
                    }
                }
                Frame::Synced => {
                    self.live.store(true, Ordering::Relaxed);
                    let mut unanswered =
                        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
                    for answer in unanswered.pop_front().unwrap_or_default() {
                        // Whoever waited may have stopped.
                        let _ = answer.send(());
                    }
                }
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        Ok(())
    }

    /// Waits until clients have room for a message. What comes on this link waits behind it, and the
    /// other worker's senders with it.
    async fn room(&self, channel: &str, payload: &[u8]) {
        let mut room = pin!(self.wishes.audience.room(channel, payload));
        if poll_fn(|cx| Poll::Ready(room.as_mut().poll(cx))).await.is_ready() {
            return;
        }
        self.held.send_replace(Some(channel.into()));
        room.await;
        self.held.send_replace(None);
    }

    fn unasked(&self) {
        if let Some(times) = self.wishes.log.unasked.again() {
            debug!(slot = self.slot, "{times} answers came to nothing that was asked");
        }
    }
}

async fn say(writer: &mut OwnedWriteHalf, frame: &Frame) -> io::Result<()> {
    writer.write_all(&frame.encode().map_err(io::Error::other)?).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_do_not_last_are_opened_less_and_less_often() {
        let mut pauses = Pauses::default();
        let millis: Vec<_> =
            (0..9).map(|_| pauses.after(Duration::from_millis(900)).as_millis()).collect();
        assert_eq!(millis, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(pauses.after(WELL), Duration::ZERO, "that was a good one");
        assert_eq!(pauses.after(WELL), Duration::ZERO);
        assert_eq!(pauses.after(Duration::ZERO), PAUSES.0);
    }
}
