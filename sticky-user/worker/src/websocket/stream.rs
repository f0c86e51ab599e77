//! The stream that the engine gets.

use std::fmt;
use std::io::{self, IoSlice};
use std::iter;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::link::Link;
use super::reading::Reading;
use super::writing::Writing;
use super::{Abandoned, Websocket};
use crate::upgrade::{Raw, Upgrade};

/// As many bytes of a WebSocket are read until the handlers of what came are given their turn: so it
/// is known soon when one of them waits.
const AT_ONCE: usize = 4096;

/// How often a client that is not heard is said to be there: the engine asks it, and its answer lies
/// behind what it has sent before.
const ALIVE: Duration = Duration::from_secs(5);

/// A client's WebSocket.
pub(crate) struct WebsocketStream {
    link: Link,
    websocket: Arc<Websocket>,
    reading: Reading,
    writing: Writing,
    /// Bytes that were read since the reader has yielded.
    at_once: usize,
    /// The reader, where it waits for the client to take something.
    reader: Option<Waker>,
    /// When to say that the client is there, if it is not heard.
    alive: Option<Pin<Box<Sleep>>>,
    /// What is to be done when the session does not go over to it.
    abandoned: Option<Abandoned>,
}

impl WebsocketStream {
    /// `abandoned` is called if a session that is to go over to this WebSocket does not.
    pub(crate) fn new(
        upgrade: Upgrade,
        websocket: Arc<Websocket>,
        abandoned: Option<Abandoned>,
    ) -> Self {
        Self::over(Link::Coming(upgrade), websocket, abandoned)
    }

    fn over(link: Link, websocket: Arc<Websocket>, abandoned: Option<Abandoned>) -> Self {
        Self {
            link,
            reading: Reading::default(),
            writing: Writing::of(&websocket),
            websocket,
            at_once: 0,
            reader: None,
            alive: None,
            abandoned,
        }
    }

    /// Whether the client is still served.
    fn check(&self) -> io::Result<()> {
        if !self.websocket.backlog.is_given_up() {
            return Ok(());
        }
        self.link.abort();
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// Whether the client is to be heard now.
    fn poll_hear(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.websocket.backlog.poll_hear(cx).is_pending() {
            #[expect(
                clippy::disallowed_methods,
                reason = "while it is held back, there is nothing else to wait for"
            )]
            self.alive.get_or_insert_with(|| Box::pin(sleep(ALIVE)));
            return Poll::Pending;
        }
        if self.writing.is_far_behind() {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Reads what may be read now.
    fn poll_some(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let heard = self.poll_hear(cx);
        if let Some(alive) = &mut self.alive
            && (alive.is_elapsed() || alive.as_mut().poll(cx).is_ready())
        {
            match self.reading.pongs(&self.websocket, buf) {
                Some(bytes @ 1..) => return self.poll_few(cx, buf, bytes),
                said => {
                    self.alive = None;
                    if said.is_some() {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
        ready!(heard);
        self.link.poll_read(cx, buf)
    }

    /// Reads no more than `bytes`.
    fn poll_few(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        bytes: u64,
    ) -> Poll<io::Result<()>> {
        let mut few = [0; 512];
        let bytes = usize::try_from(bytes).unwrap_or(few.len()).min(few.len()).min(buf.remaining());
        let mut few = ReadBuf::new(&mut few[..bytes]);
        ready!(self.link.poll_read(cx, &mut few))?;
        buf.put_slice(few.filled());
        Poll::Ready(Ok(()))
    }

    /// Whether the reader's turn is over.
    fn yields(&mut self, cx: &Context<'_>) -> bool {
        let yields = self.at_once >= AT_ONCE;
        if yields {
            self.at_once = 0;
            cx.waker().wake_by_ref();
        }
        yields
    }

    /// Writes by `write`, and notes what was written of `parts`, or that the kernel takes no more.
    fn poll_write_by<'a>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(&mut Raw, &mut Context<'_>) -> Poll<io::Result<usize>>,
        parts: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let polled = match ready!(self.link.poll_here(cx)) {
            Ok(raw) => write(raw, cx),
            Err(error) => Poll::Ready(Err(error)),
        };
        match polled {
            Poll::Ready(Ok(mut written)) => {
                for part in parts {
                    let part = part.get(..written).unwrap_or(part);
                    self.writing.wrote(&self.websocket, part);
                    written -= part.len();
                }
            }
            // The engine forgets no session whose first packet fails: the reader learns of it.
            Poll::Ready(Err(_)) if self.writing.is_silent() => {
                return Poll::Ready(Ok(parts.map(<[u8]>::len).sum()));
            }
            Poll::Ready(Err(_)) => {
                self.takes_no_more();
                self.writing = Writing::default();
            }
            Poll::Pending => {
                self.writing.is_full();
                self.websocket.backlog.writer_waits(cx);
                return Poll::Pending;
            }
        }
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        polled
    }

    /// Nothing arrives any more that is sent to the session. A session that was only about to go over to
    /// this WebSocket is not concerned.
    fn takes_no_more(&self) {
        if !self.websocket.is_upgrading() {
            self.websocket.backlog.gone();
        }
    }
}

impl AsyncRead for WebsocketStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check()?;
        if this.yields(cx) {
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let polled = this.poll_some(cx, buf);
        let read = &buf.filled()[before..];
        this.writing.read(read.len());
        this.at_once += read.len();
        this.reading.has_read(&this.websocket, read);
        // First comes what the client has said already.
        if polled.is_pending() && this.reading.closes(&this.websocket, cx, buf) {
            return Poll::Ready(Ok(()));
        }
        polled
    }
}

impl AsyncWrite for WebsocketStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = |raw: &mut Raw, cx: &mut Context<'_>| Pin::new(&mut raw.io).poll_write(cx, buf);
        self.get_mut().poll_write_by(cx, write, iter::once(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = |raw: &mut Raw, cx: &mut Context<'_>| {
            Pin::new(&mut raw.io).poll_write_vectored(cx, bufs)
        };
        self.get_mut().poll_write_by(cx, write, bufs.iter().map(|buf| &**buf))
    }

    fn is_write_vectored(&self) -> bool {
        matches!(&self.link, Link::Here(raw) if raw.io.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Link::Here(raw) = &mut this.link {
            ready!(Pin::new(&mut raw.io).poll_flush(cx))?;
            this.writing.flushed(&this.websocket);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().link {
            Link::Here(raw) => Pin::new(&mut raw.io).poll_shutdown(cx),
            Link::Coming(_) | Link::Gone => Poll::Ready(Ok(())),
        }
    }
}

impl Drop for WebsocketStream {
    fn drop(&mut self) {
        self.takes_no_more();
        if let Some(abandoned) = self.abandoned.take_if(|_| self.websocket.is_upgrading()) {
            abandoned();
        }
        self.websocket.has_begun();
        // The client is to read the end of its session.
        if self.reading.has_closed() {
            self.link.close_lingering();
        }
    }
}

impl fmt::Debug for WebsocketStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebsocketStream")
            .field("websocket", &self.websocket)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
