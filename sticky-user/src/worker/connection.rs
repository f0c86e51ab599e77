//! One client's connection, counted as long as it lives.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::Incoming;
use super::websocket::{Reading, Websocket, hear_out};

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
}

impl Connection {
    pub(super) fn new(stream: TcpStream, open: &TaskTracker) -> Self {
        Self { stream, open: open.token(), websocket: Arc::default(), reading: Reading::default() }
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut TcpStream> {
        Pin::new(&mut self.get_mut().stream)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.reading.has_read(&this.websocket, &buf.filled()[before..]);
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
        self.stream().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
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
