//! What a WebSocket comes over.

use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::runtime::Handle;

use crate::stream::lingering_close;
use crate::upgrade::{Raw, Upgrade};

/// The connection below a WebSocket. The engine may have it before the client has been answered: so
/// it says at once whether it takes the request.
#[derive(Debug)]
pub(super) enum Link {
    /// The client is being answered, over HTTP.
    Coming(Upgrade),
    Here(Raw),
    /// The client has gone before it was answered, or all is over.
    Gone,
}

impl Link {
    /// The connection, when it is there.
    pub(super) fn poll_here(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut Raw>> {
        if let Self::Coming(upgrade) = self {
            *self = ready!(upgrade.poll(cx)).map_or(Self::Gone, Self::Here);
        }
        match self {
            Self::Here(raw) => Poll::Ready(Ok(raw)),
            Self::Coming(_) | Self::Gone => {
                Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
            }
        }
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let raw = ready!(self.poll_here(cx))?;
        if raw.ahead.is_empty() {
            return Pin::new(&mut raw.io).poll_read(cx, buf);
        }
        let some = raw.ahead.len().min(buf.remaining());
        buf.put_slice(&raw.ahead[..some]);
        raw.ahead.advance(some);
        if raw.ahead.is_empty() {
            raw.ahead = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }

    /// What waits in the kernel for the client is to be thrown away with the connection.
    pub(super) fn abort(&self) {
        if let Self::Here(raw) = self {
            raw.io.abort();
        }
    }

    /// Lets the client read what was written last. Where there is no runtime any more, the process ends.
    pub(super) fn close_lingering(&mut self) {
        if let Self::Here(mut raw) = mem::replace(self, Self::Gone)
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move { lingering_close(&mut raw.io).await });
        }
    }
}
