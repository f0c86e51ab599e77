//! A client's connection as a stream that gives back what was read before.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::exchange::Exchange;
use super::limit::Place;
use super::pace::Pace;

/// As much is read at once where it is not known how much will come: most heads are shorter.
const AT_ONCE: usize = 4096;

/// How long the worker still reads from a client that is to read the last answer.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What a connection comes over.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// What waits in the kernel for the client is to be thrown away with the connection.
    fn abort(&self);
}

impl Transport for TcpStream {
    fn abort(&self) {
        let _ = SockRef::from(self).set_linger(Some(Duration::ZERO));
    }
}

/// Reads what is there, and no more than a buffer on the stack holds: a connection that waits has none.
pub(crate) fn poll_some<S: AsyncRead + Unpin>(
    io: &mut S,
    cx: &mut Context<'_>,
    take: impl FnOnce(&[u8]),
) -> Poll<io::Result<usize>> {
    let mut space = [const { MaybeUninit::uninit() }; AT_ONCE];
    let mut buf = ReadBuf::uninit(&mut space);
    ready!(Pin::new(io).poll_read(cx, &mut buf))?;
    take(buf.filled());
    Poll::Ready(Ok(buf.filled().len()))
}

/// Tells the client that nothing more will come, and reads until it closes its side too: a connection
/// that is closed while something is left to read is reset, and the client may lose what was written
/// last.
pub(crate) async fn lingering_close<S: AsyncRead + AsyncWrite + Unpin + ?Sized>(io: &mut S) {
    let closing = async {
        if io.shutdown().await.is_err() {
            return;
        }
        let mut nothing = [0; 512];
        while matches!(io.read(&mut nothing).await, Ok(1..)) {}
    };
    // A client that does not close is not waited for.
    let _ = timeout(LAST_WORDS, closing).await;
}

/// One client's connection.
#[derive(Debug)]
pub(crate) struct Stream<S> {
    pub(crate) io: S,
    /// What was read ahead and is to be read first.
    pub(crate) ahead: Bytes,
    pub(crate) exchange: Arc<Exchange>,
    /// How fast the client takes what it is sent.
    takes: Pace,
    /// Held for as long as the connection lives, whatever becomes of it.
    pub(crate) place: Place,
}

impl<S: Transport> Stream<S> {
    pub(crate) fn new(io: S, place: Place, window: Duration) -> Self {
        Self { io, ahead: Bytes::new(), exchange: Arc::default(), takes: Pace::new(window), place }
    }

    /// What is left when hyper has been taken apart, which had read `behind` and not used it.
    pub(crate) fn rewound(mut self, behind: &[u8]) -> Self {
        if !behind.is_empty() {
            // Copied: hyper's buffer is large, and what is left in it seldom is.
            self.ahead = [behind, &self.ahead[..]].concat().into();
        }
        self
    }

    fn wrote(&mut self, cx: &mut Context<'_>, polled: &Poll<io::Result<usize>>) -> io::Result<()> {
        match polled {
            Poll::Ready(Ok(bytes)) => self.takes.moved(*bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending if self.exchange.is_upgraded() => {}
            // What the kernel still holds for such a client is not to stay there for minutes.
            Poll::Pending => self.takes.check(cx).inspect_err(|_| self.io.abort())?,
        }
        Ok(())
    }
}

impl<S: Transport> AsyncRead for Stream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ahead.is_empty() {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        }
        let some = this.ahead.len().min(buf.remaining());
        buf.put_slice(&this.ahead[..some]);
        this.ahead.advance(some);
        if this.ahead.is_empty() {
            this.ahead = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Transport> AsyncWrite for Stream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_write(cx, buf);
        this.wrote(cx, &polled)?;
        polled
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_write_vectored(cx, bufs);
        this.wrote(cx, &polled)?;
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.io).poll_flush(cx))?;
        this.exchange.flushed();
        Poll::Ready(Ok(()))
    }

    /// Leaves it open: hyper shuts down after each request that the connection may outlive.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }
}
