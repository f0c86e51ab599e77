//! One client's connection, counted as long as it lives.

use std::io::{self, IoSlice};
use std::iter;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::Incoming;
use super::websocket::{Reading, Websocket, hear_out};
use super::writing::Writing;

/// As many bytes of a WebSocket are read until the handlers of what came are given their turn: so it
/// is known soon when one of them waits.
const AT_ONCE: usize = 4096;

/// How often a client that is not heard is said to be there: the engine asks it, and its answer lies
/// behind what it has sent before.
const ALIVE: Duration = Duration::from_secs(5);

/// A client's connection.
///
/// It holds a token of the worker for as long as it lives, so that draining also waits for
/// connections that have left HTTP, such as WebSockets, which axum's own shutdown does not.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    open: TaskTrackerToken,
    websocket: Arc<Websocket>,
    reading: Reading,
    writing: Writing,
    /// Bytes that were read since the reader has yielded.
    at_once: usize,
    /// The reader, where it waits for the client to take something.
    reader: Option<Waker>,
    /// When to say that the client is there, if it is not heard.
    alive: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, open: &TaskTracker) -> Self {
        Self {
            stream,
            open: open.token(),
            websocket: Arc::default(),
            reading: Reading::default(),
            writing: Writing::default(),
            at_once: 0,
            reader: None,
            alive: None,
        }
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut TcpStream> {
        Pin::new(&mut self.get_mut().stream)
    }

    /// Whether the client is still served.
    fn check(&self) -> io::Result<()> {
        match self.websocket.backlog() {
            Some(backlog) if backlog.is_given_up() => {
                // What waits for it in the kernel is thrown away as well.
                let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            _ => Ok(()),
        }
    }

    /// Whether the client is to be heard now.
    fn poll_hear(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(backlog) = self.websocket.backlog() else { return Poll::Ready(()) };
        if backlog.poll_hear(cx).is_pending() {
            // real delay: while it is held back, there is nothing else to wait for.
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
        Pin::new(&mut self.stream).poll_read(cx, buf)
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
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut few))?;
        buf.put_slice(few.filled());
        Poll::Ready(Ok(()))
    }

    /// Whether the reader's turn is over.
    fn yields(&mut self, cx: &Context<'_>) -> bool {
        let yields = self.at_once >= AT_ONCE && self.websocket.backlog().is_some();
        if yields {
            self.at_once = 0;
            cx.waker().wake_by_ref();
        }
        yields
    }

    /// Notes what was written, or that the kernel takes no more.
    fn wrote<'a>(
        &mut self,
        cx: &Context<'_>,
        polled: &Poll<io::Result<usize>>,
        parts: impl Iterator<Item = &'a [u8]>,
    ) {
        match *polled {
            Poll::Ready(Ok(mut written)) => {
                for part in parts {
                    let part = part.get(..written).unwrap_or(part);
                    self.writing.wrote(&self.websocket, part);
                    written -= part.len();
                }
            }
            // The reader learns of it.
            Poll::Ready(Err(_)) => {
                self.takes_no_more();
                self.writing = Writing::default();
            }
            Poll::Pending => {
                self.writing.is_full();
                if let Some(backlog) = self.websocket.backlog() {
                    backlog.writer_waits(cx);
                }
                return;
            }
        }
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Nothing arrives any more that is sent to the session. One that was only about to go over to this
    /// WebSocket is not concerned.
    fn takes_no_more(&self) {
        if let Some(backlog) = self.websocket.backlog()
            && self.writing.is_frames()
            && !self.websocket.is_upgrading()
        {
            backlog.gone();
        }
    }
}

impl AsyncRead for Connection {
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

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check()?;
        let polled = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.wrote(cx, &polled, iter::once(buf));
        polled
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check()?;
        let polled = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.wrote(cx, &polled, bufs.iter().map(|buf| &**buf));
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_flush(cx))?;
        this.writing.flushed(&this.websocket);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.takes_no_more();
        self.websocket.upgraded();
        // A connection that is closed while something is left to read is reset, and what was
        // written last may be lost to the client.
        if self.reading.has_closed()
            && let Ok(stream) = SockRef::from(&self.stream).try_clone()
        {
            hear_out(stream, self.open.clone());
        }
    }
}

/// What handlers are told of a connection: the client's address, which they get as axum's usual
/// `ConnectInfo<SocketAddr>`, and how to close it when it is a WebSocket.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) websocket: Arc<Websocket>,
}

impl Connected<IncomingStream<'_, Incoming>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Incoming>) -> Self {
        Self { address: *stream.remote_addr(), websocket: Arc::clone(&stream.io().websocket) }
    }
}

#[cfg(test)]
mod tests;
