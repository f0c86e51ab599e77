//! One link to the worker of another slot, opened again whenever it closes.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tracing::debug;

use super::frame::Frame;
use super::stream::read;
use super::subscriber::{Command, Wishes};

/// Pauses between attempts to reach a slot whose socket is gone, the first and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Those who wait for each `Sync` that was written and not answered yet.
type Unanswered = Mutex<VecDeque<Vec<oneshot::Sender<()>>>>;

/// Keeps a link to the slot whose socket is at `path`, until nobody commands it any more.
pub(super) async fn keep(
    path: PathBuf,
    wishes: Arc<Wishes>,
    mut commands: UnboundedReceiver<Command>,
    live: Arc<AtomicBool>,
) {
    let (mut pause, longest) = PAUSES;
    loop {
        match UnixStream::connect(&path).await {
            Ok(stream) => {
                pause = PAUSES.0;
                let heard =
                    Hearing { wishes: &wishes, live: &live, unanswered: Unanswered::default() };
                let ended = heard.run(stream, &mut commands).await;
                live.store(false, Ordering::Relaxed);
                debug!("a link of the bus to {} is closed: {ended:?}", path.display());
            }
            // The socket belongs to the slot: without it there is neither worker nor supervisor.
            Err(error) => {
                debug!("cannot reach {}: {error}", path.display());
                tokio::time::sleep(pause).await; // real delay: a path has no event to wait for
                pause = (pause * 2).min(longest);
            }
        }
        if commands.is_closed() {
            return;
        }
    }
}

/// A link while it is open.
struct Hearing<'a> {
    wishes: &'a Wishes,
    live: &'a AtomicBool,
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
        let Some(Frame::Welcome { node }) = read(&mut reader).await? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
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
        self.wishes.ledger.came(node);
        let ended = tokio::select! {
            // First what it still said.
            biased;
            ended = self.hear(node, &mut reader) => ended,
            ended = self.obey(writer, commands) => ended,
        };
        // What it still owes, it will never say.
        self.wishes.ledger.gone(node, self.wishes);
        ended
    }

    async fn obey(
        &self,
        mut writer: OwnedWriteHalf,
        commands: &mut UnboundedReceiver<Command>,
    ) -> io::Result<()> {
        while let Some(command) = commands.recv().await {
            match command {
                Command::Subscribe(channel) => say(&mut writer, &Frame::Subscribe(channel)).await?,
                Command::Unsubscribe(channel) => {
                    say(&mut writer, &Frame::Unsubscribe(channel)).await?;
                }
                Command::Sync(answer) => self.sync(&mut writer, vec![answer]).await?,
            }
        }
        Ok(())
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
        while let Some(frame) = read(reader).await? {
            match frame {
                Frame::Message { channel, payload } => {
                    self.wishes.ledger.heard(node, &channel, &payload);
                    if let Some(receiver) = self.wishes.receiver(&channel) {
                        self.wishes.audience.room(&channel, &payload).await;
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
}

async fn say(writer: &mut OwnedWriteHalf, frame: &Frame) -> io::Result<()> {
    writer.write_all(&frame.encode().map_err(io::Error::other)?).await
}
