//! The bodies of a request and of its answer, which note how far they have come.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};

use super::exchange::Turn;
use super::pace::Pace;

/// The body of a request. A client that sends it too slowly is not waited for.
#[derive(Debug)]
pub(crate) struct RequestBody {
    /// `None` only while this is dropped.
    body: Option<Incoming>,
    turn: Turn,
    pace: Pace,
}

impl RequestBody {
    pub(crate) fn wrap(body: Incoming, turn: &Turn, window: Duration) -> Body {
        if body.is_end_stream() {
            return Body::empty();
        }
        Body::new(Self { body: Some(body), turn: turn.clone(), pace: Pace::new(window) })
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else {
            return match this.pace.check(cx) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Some(Err(slow(&error)))),
            };
        };
        if let Some(Ok(frame)) = &frame {
            this.pace.moved(frame.data_ref().map_or(0, Bytes::len));
        }
        if frame.is_none() || body.is_end_stream() {
            this.turn.read();
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}

fn slow(error: &io::Error) -> BoxError {
    format!("cannot read the body of a request: {error}").into()
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        // First: hyper, which is polled for it, is to see that the body is gone.
        drop(self.body.take());
        self.turn.left();
    }
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    body: Body,
    turn: Turn,
}

impl ResponseBody {
    pub(crate) fn new(body: Body, turn: Turn) -> Self {
        Self { body, turn }
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// hyper drops a body when it has all of it, or wants no more.
impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.turn.answered();
    }
}
