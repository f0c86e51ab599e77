//! An answer that is larger than what any kernel takes for a client.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Bytes;
use futures_core::Stream;

/// Made at once, as a file is read.
const PIECE: usize = 64 << 10;

/// Its pieces are made when they are asked for, each in memory of its own.
pub(crate) struct Large {
    pieces: usize,
}

impl Large {
    /// 64 MB.
    pub(crate) fn new() -> Self {
        Self { pieces: 1024 }
    }
}

impl Stream for Large {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(pieces) = self.pieces.checked_sub(1) else { return Poll::Ready(None) };
        self.pieces = pieces;
        Poll::Ready(Some(Ok(vec![b'x'; PIECE].into())))
    }
}
