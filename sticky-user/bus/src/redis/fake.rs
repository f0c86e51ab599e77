//! Servers for tests: they know what the bus asks for, can go away, fall silent, and move channels to
//! each other.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use super::topology::HASH_SLOT;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub(super) const SLOTS: i64 = 16_384;

/// A server that does not exist.
#[derive(Debug)]
pub(super) struct Fake {
    state: Arc<Mutex<State>>,
    port: u16,
    _serving: AbortOnDropHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Closes all connections.
    gone: CancellationToken,
    away: bool,
    silent: bool,
    /// In a cluster: its slots, and the port of the node that has the others.
    slots: Option<(Range<i64>, u16)>,
    /// By channel and connection.
    subscribers: BTreeMap<(String, u64), UnboundedSender<String>>,
    connections: u64,
}

impl Fake {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<Mutex<State>>::default();
        let serving = tokio::spawn(accept(listener, Arc::clone(&state), port));
        Self { state, port, _serving: AbortOnDropHandle::new(serving) }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Closes what is open, and whatever will be; or serves again.
    pub(super) fn away(&self, away: bool) {
        let mut state = self.state();
        state.away = away;
        state.subscribers.clear();
        std::mem::take(&mut state.gone).cancel();
    }

    /// Does not answer any more; or does again.
    pub(super) fn silent(&self, silent: bool) {
        self.state().silent = silent;
    }

    /// Is one of two nodes of a cluster: has these slots, and the one at that port has the others.
    pub(super) fn slots(&self, slots: Range<i64>, other: u16) {
        let mut state = self.state();
        state.slots = Some((slots, other));
        if state.is_owner() {
            return;
        }
        for ((channel, _), subscriber) in std::mem::take(&mut state.subscribers) {
            let _ = subscriber.send(push(&["sunsubscribe", &channel]));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    /// Whether it has the bus's hash slot, which all channels are in.
    fn is_owner(&self) -> bool {
        self.slots.as_ref().is_none_or(|(slots, _)| slots.contains(&HASH_SLOT))
    }

    fn answer(&mut self, words: &[String], port: u16, id: u64, me: &UnboundedSender<String>) {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let answer = match words[..] {
            ["HELLO", ..] => "%1\r\n+proto\r\n:3\r\n".into(),
            ["INFO", ..] => text("redis_version:7.0.0\r\n"),
            ["CLUSTER", "INFO"] => text("cluster_state:ok\r\ncluster_slots_ok:16384\r\n"),
            ["CLUSTER", "SLOTS"] => self.ranges(port),
            ["SPUBLISH" | "SSUBSCRIBE" | "SUNSUBSCRIBE", ..] if !self.is_owner() => {
                format!("-MOVED 1 127.0.0.1:{}\r\n", self.slots.clone().unwrap_or_default().1)
            }
            [verb @ ("SUBSCRIBE" | "SSUBSCRIBE"), channel] => {
                self.subscribers.insert((channel.into(), id), me.clone());
                push(&[&verb.to_lowercase(), channel])
            }
            [verb @ ("UNSUBSCRIBE" | "SUNSUBSCRIBE"), channel] => {
                self.subscribers.remove(&(channel.into(), id));
                push(&[&verb.to_lowercase(), channel])
            }
            ["PUBSUB", _, channel] => {
                format!("*2\r\n{}:{}\r\n", text(channel), self.of(channel).count())
            }
            [verb @ ("PUBLISH" | "SPUBLISH"), channel, message] => {
                let kind = if verb == "PUBLISH" { "message" } else { "smessage" };
                for subscriber in self.of(channel) {
                    let _ = subscriber.send(push(&[kind, channel, message]));
                }
                format!(":{}\r\n", self.of(channel).count())
            }
            _ => "+OK\r\n".into(),
        };
        let _ = me.send(answer);
    }

    fn of(&self, channel: &str) -> impl Iterator<Item = &UnboundedSender<String>> {
        self.subscribers.iter().filter(move |((of, _), _)| of == channel).map(|(_, to)| to)
    }

    fn ranges(&self, port: u16) -> String {
        let (own, other) = self.slots.clone().unwrap_or((0..SLOTS, 0));
        let host = text("127.0.0.1");
        let ranges: Vec<_> = [(0..own.start, other), (own.clone(), port), (own.end..SLOTS, other)]
            .into_iter()
            .filter(|(range, _)| !range.is_empty())
            .map(|(range, port)| {
                let (first, last) = (range.start, range.end - 1);
                format!("*3\r\n:{first}\r\n:{last}\r\n*2\r\n{host}:{port}\r\n")
            })
            .collect();
        format!("*{}\r\n{}", ranges.len(), ranges.concat())
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>, port: u16) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let gone = {
            let mut state = state.lock().unwrap();
            state.connections += 1;
            if state.away {
                continue;
            }
            state.gone.clone()
        };
        let id = state.lock().unwrap().connections;
        let state = Arc::clone(&state);
        tokio::spawn(gone.run_until_cancelled_owned(serve(stream, state, port, id)));
    }
}

async fn serve(stream: TcpStream, state: Arc<Mutex<State>>, port: u16, id: u64) {
    let (reader, mut writer) = stream.into_split();
    let (answers, mut waiting) = unbounded_channel::<String>();
    let write = async move {
        while let Some(answer) = waiting.recv().await {
            writer.write_all(answer.as_bytes()).await.ok()?;
        }
        Some(())
    };
    let read = async {
        let mut reader = BufReader::new(reader);
        while let Some(words) = command(&mut reader).await {
            let mut state = state.lock().unwrap();
            if !state.silent {
                state.answer(&words, port, id, &answers);
            }
        }
    };
    tokio::select! { _ = write => {}, () = read => {} }
    state.lock().unwrap().subscribers.retain(|(_, of), _| *of != id);
}

/// The next command of a client, such as `["INFO", "server"]`.
pub(super) async fn command(client: &mut BufReader<impl AsyncRead + Unpin>) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    let mut missing = 1;
    while missing > 0 {
        let mut line = String::new();
        if client.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        missing -= 1;
        match line.strip_prefix('*') {
            // Each word comes with a line that tells its length.
            Some(words) => missing = 2 * words.trim().parse::<usize>().ok()?,
            None if line.starts_with('$') => {}
            None => lines.push(line.trim().to_owned()),
        }
    }
    Some(lines)
}

/// A text as an answer.
pub(super) fn text(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

fn push(words: &[&str]) -> String {
    let mut answer = format!(">{}\r\n", words.len());
    for word in words {
        let _ = write!(answer, "{}", text(word));
    }
    answer
}
