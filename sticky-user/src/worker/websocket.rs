//! Closing the one Engine.IO session of a WebSocket, in order.
//!
//! The session is ended as its client would end it: the packet "close" is put between two messages
//! of what the client sends. Whatever was emitted before still goes out, then the WebSocket is
//! closed. (`SocketIo::close` does the same, but for all sessions at once.)

use std::net::Shutdown;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncReadExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::frames::{CLOSE, Frames};

/// How long a client may take to close its side.
const LAST_WORDS: Duration = Duration::from_secs(1);

const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// What others know of a connection that is, or becomes, a WebSocket.
#[derive(Debug, Default)]
pub(super) struct Websocket {
    requested: AtomicBool,
    closing: CancellationToken,
}

impl Websocket {
    /// A client asks for it: what it sends behind this request is frames.
    pub(super) fn requested(&self) {
        self.requested.store(true, Ordering::Relaxed);
    }

    /// Ends the session when the message that is on its way, if any, has come.
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
    pub(super) fn has_read(&mut self, bytes: &[u8]) {
        match self {
            Self::Http(behind) => *behind = behind_head(bytes),
            Self::Frames(frames, _) => frames.follow(bytes),
            Self::Closed => {}
        }
    }

    /// Whether the session is to be closed; if not yet, `cx` is woken when it is.
    pub(super) fn is_told_to_close(&mut self, websocket: &Websocket, cx: &mut Context<'_>) -> bool {
        self.follow_frames(websocket);
        match self {
            Self::Frames(_, told) => told.as_mut().poll(cx) == Poll::Ready(()),
            _ => false,
        }
    }

    /// Puts the packet "close" into `buf`, if the session is to be closed and this is the place.
    pub(super) fn closes(&mut self, websocket: &Websocket, buf: &mut ReadBuf<'_>) -> bool {
        self.follow_frames(websocket);
        let told = websocket.closing.is_cancelled();
        let place = matches!(self, Self::Frames(frames, _) if frames.between_messages());
        let closes = told && place && buf.remaining() >= CLOSE.len();
        if closes {
            buf.put_slice(&CLOSE);
            *self = Self::Closed;
        }
        closes
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
