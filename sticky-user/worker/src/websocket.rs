//! Closing the one Engine.IO session of a WebSocket, in order.
//!
//! The session is ended as its client would end it: the packet "close" is put between two messages
//! of what the client sends. Whatever was emitted before still goes out, then the WebSocket is
//! closed. (`SocketIo::close` does the same, but for all sessions at once.)

use std::net::Shutdown;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Context;
use std::time::Duration;

use tokio::io::{AsyncReadExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::frames::{CLOSE, Frames, PONG};
use sticky_bus::backlog::Backlog;

/// How long a client may take to close its side.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A client that upgrades a session to a WebSocket sends a probe, and that it goes over.
const UPGRADE: u64 = 2;

pub(super) const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// What others know of a connection that is, or becomes, a WebSocket.
#[derive(Debug, Default)]
pub(super) struct Websocket {
    requested: AtomicBool,
    /// An upgrade has begun. To the official client, one that fails half-way is the end of all.
    upgrading: Mutex<Option<TaskTrackerToken>>,
    closing: CancellationToken,
    backlog: OnceLock<Arc<Backlog>>,
}

impl Websocket {
    /// A client asks for it: what it sends behind this request is frames.
    pub(super) fn requested(&self) {
        self.requested.store(true, Ordering::Relaxed);
    }

    /// A client asks for it to upgrade a session. The token is held until that is done.
    pub(super) fn upgrades(&self, token: TaskTrackerToken) {
        *self.upgrading() = Some(token);
        self.requested();
    }

    /// The upgrade is done, or will never be.
    pub(super) fn upgraded(&self) {
        *self.upgrading() = None;
    }

    pub(super) fn is_upgrading(&self) -> bool {
        self.upgrading().is_some()
    }

    fn upgrading(&self) -> MutexGuard<'_, Option<TaskTrackerToken>> {
        self.upgrading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What waits for the session's client, which now comes this way.
    pub(super) fn carries(&self, backlog: &Arc<Backlog>) {
        // A connection is upgraded once.
        let _ = self.backlog.set(Arc::clone(backlog));
    }

    /// What waits for its client, where it is a WebSocket.
    pub(super) fn backlog(&self) -> Option<&Arc<Backlog>> {
        self.backlog.get()
    }

    /// Ends the session when the message or the upgrade that is on its way, if any, is complete.
    pub(super) fn close(&self) {
        self.closing.cancel();
    }
}

/// What is known of what was read.
#[derive(Debug)]
pub(super) enum Reading {
    /// HTTP; and what came behind the last request, if the end of its head is known.
    Http(Option<Vec<u8>>),
    Frames(Frames, Pin<Box<WaitForCancellationFutureOwned>>),
    /// The packet was put there.
    Closed,
}

impl Default for Reading {
    fn default() -> Self {
        Self::Http(None)
    }
}

impl Reading {
    /// Notes what has been read.
    pub(super) fn has_read(&mut self, websocket: &Websocket, bytes: &[u8]) {
        self.follow_frames(websocket);
        match self {
            _ if bytes.is_empty() => {}
            Self::Http(behind) => *behind = behind_head(bytes),
            Self::Frames(frames, _) => {
                let before = frames.messages();
                frames.follow(bytes);
                if (before..frames.messages()).contains(&(UPGRADE - 1)) {
                    websocket.upgraded();
                }
            }
            Self::Closed => {}
        }
    }

    /// Puts the packet "close" into `buf`, if the session is to be closed and this is the place. If
    /// it is not to be closed yet, `cx` is woken when it is.
    pub(super) fn closes(
        &mut self,
        websocket: &Websocket,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> bool {
        self.follow_frames(websocket);
        let Self::Frames(frames, told) = self else {
            return false;
        };
        // Told in the middle of a message, it is asked again when the rest has come.
        let closes = (websocket.closing.is_cancelled() || told.as_mut().poll(cx).is_ready())
            && frames.between_messages()
            && websocket.upgrading().is_none()
            && buf.remaining() >= CLOSE.len();
        if closes {
            buf.put_slice(&CLOSE);
            *self = Self::Closed;
        }
        closes
    }

    /// Puts the packet "pong" into `buf`, if this is the place. Otherwise gives how many bytes can be
    /// read until it may be; `None` if it is no WebSocket.
    pub(super) fn pongs(&self, websocket: &Websocket, buf: &mut ReadBuf<'_>) -> Option<u64> {
        let Self::Frames(frames, _) = self else { return None };
        if websocket.upgrading().is_some() || buf.remaining() < PONG.len() {
            return None;
        }
        if !frames.between_messages() {
            return Some(frames.to_come());
        }
        buf.put_slice(&PONG);
        Some(0)
    }

    pub(super) fn has_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }

    fn follow_frames(&mut self, websocket: &Websocket) {
        if let Self::Http(Some(behind)) = self
            && websocket.requested.load(Ordering::Relaxed)
        {
            let mut frames = Frames::default();
            frames.follow(behind);
            *self = Self::Frames(frames, Box::pin(websocket.closing.clone().cancelled_owned()));
        }
    }
}

/// What follows the head of a request that has no body. Looked for where it costs little: requests
/// for a WebSocket are short.
fn behind_head(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.ends_with(END_OF_HEAD) {
        return Some(Vec::new());
    }
    if !bytes.starts_with(b"GET ") {
        return None;
    }
    let end = bytes.windows(END_OF_HEAD.len()).rposition(|window| window == END_OF_HEAD)?;
    Some(bytes[end + END_OF_HEAD.len()..].to_vec())
}

/// Reads what a client still sends until it closes its side too.
pub(super) fn hear_out(stream: socket2::Socket, open: TaskTrackerToken) {
    let stream = std::net::TcpStream::from(stream);
    // Where there is no runtime any more, the process ends.
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    let _ = stream.shutdown(Shutdown::Write);
    let hearing = async move {
        let Ok(mut stream) = TcpStream::from_std(stream) else { return };
        let mut nothing = vec![0; 4096];
        let ends = async { while matches!(stream.read(&mut nothing).await, Ok(1..)) {} };
        // Whoever does not close is not waited for.
        let _ = timeout(LAST_WORDS, ends).await;
        drop(open);
    };
    runtime.spawn(hearing);
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    const REQUEST: &[u8] = b"GET /socket.io/ HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
    const HALF: &[u8] = &[0x81, 0x82, 0, 0, 0, 0, b'4'];

    fn closes(reading: &mut Reading, websocket: &Websocket) -> bool {
        let mut space = [0; 100];
        let mut buf = ReadBuf::new(&mut space);
        let closes = reading.closes(websocket, &mut Context::from_waker(Waker::noop()), &mut buf);
        assert_eq!(buf.filled(), if closes { &CLOSE[..] } else { b"" });
        closes
    }

    #[test]
    fn closed_between_two_messages_and_once() {
        let websocket = Websocket::default();
        let mut reading = Reading::default();
        reading.has_read(&websocket, b"GET / HTTP/1.1\r\n\r\n");
        reading.has_read(&websocket, &[REQUEST, HALF].concat());
        websocket.requested();
        assert!(!closes(&mut reading, &websocket));
        websocket.close();
        assert!(!closes(&mut reading, &websocket), "in the middle of a message");
        reading.has_read(&websocket, b"0");
        assert!(closes(&mut reading, &websocket) && reading.has_closed());
        assert!(!closes(&mut reading, &websocket));
    }

    #[test]
    fn an_upgrade_is_not_cut_short() {
        let websocket = Websocket::default();
        let mut reading = Reading::default();
        let upgrades = tokio_util::task::TaskTracker::new();
        reading.has_read(&websocket, REQUEST);
        websocket.upgrades(upgrades.token());
        websocket.close();
        reading.has_read(&websocket, &[HALF, b"0"].concat());
        assert!(!closes(&mut reading, &websocket));
        reading.has_read(&websocket, HALF);
        reading.has_read(&websocket, b"0");
        assert!(closes(&mut reading, &websocket) && upgrades.is_empty());
    }

    #[test]
    fn http_is_not_closed_like_this() {
        let websocket = Websocket::default();
        let mut reading = Reading::default();
        reading.has_read(&websocket, REQUEST);
        websocket.close();
        assert!(!closes(&mut reading, &websocket));
    }

    #[test]
    fn a_pong_is_put_between_two_messages() {
        let websocket = Websocket::default();
        let mut reading = Reading::default();
        reading.has_read(&websocket, REQUEST);
        let mut space = [0; 100];
        let mut buf = ReadBuf::new(&mut space);
        assert_eq!(reading.pongs(&websocket, &mut buf), None, "it is no WebSocket");
        websocket.requested();
        // As much is read as can come until the message ends, and no more.
        let message = [HALF, b"0"].concat();
        let mut rest = &message[..];
        reading.has_read(&websocket, &rest[..1]);
        rest = &rest[1..];
        while !rest.is_empty() {
            let few = usize::try_from(reading.pongs(&websocket, &mut buf).unwrap()).unwrap();
            assert!((1..=rest.len()).contains(&few) && buf.filled().is_empty(), "{few}");
            reading.has_read(&websocket, &rest[..few]);
            rest = &rest[few..];
        }
        assert_eq!(reading.pongs(&websocket, &mut buf), Some(0));
        assert_eq!(buf.filled(), PONG);
    }

    #[test]
    fn what_is_behind_the_head() {
        assert_eq!(behind_head(REQUEST), Some(Vec::new()));
        assert_eq!(behind_head(&[REQUEST, b"\x81"].concat()), Some(b"\x81".to_vec()));
        assert_eq!(behind_head(b"r: x\r\n\r\n"), Some(Vec::new()), "the end of a long one");
        assert_eq!(behind_head(b"GET / HTTP/1.1\r\n"), None);
        assert_eq!(behind_head(b"POST / HTTP/1.1\r\n\r\nbody"), None);
    }
}
