//! One request and its answer, as far as the connection has to know of them.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};

use super::pace::Pace;

/// hyper has parsed the head.
const BEGUN: u8 = 1;
/// The request was read to its end, or hyper has decided what becomes of the rest.
const READ: u8 = 2;
/// The handler does not read the rest of the request.
const LEFT: u8 = 4;
/// All of the answer is in hyper's buffer, or beyond.
const ANSWERED: u8 = 8;
/// And beyond: the kernel has it.
const FLUSHED: u8 = 16;
/// The answer makes something else of the connection, which is slow or fast as that wants it.
const UPGRADED: u8 = 32;

/// How far a request has come. All who take part run in the connection's task.
#[derive(Debug, Default)]
pub(crate) struct Exchange(AtomicU8);

/// What is to be done when hyper waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The head is not whole.
    NoRequest,
    Underway,
    /// The answer is ready, and makes something else of the connection.
    Upgraded,
    /// Answered, and hyper is to learn that the rest of the request is not wanted.
    LeftUnread,
    /// Answered, and hyper waits for the next request.
    Over,
}

impl Exchange {
    /// Before the next head.
    pub(crate) fn reset(&self) {
        self.0.store(0, Relaxed);
    }

    /// A request begins, perhaps behind another that has just been answered.
    pub(crate) fn begin(&self, has_body: bool) {
        self.0.store(if has_body { BEGUN } else { BEGUN | READ }, Relaxed);
    }

    pub(crate) fn flushed(&self) {
        self.mark(FLUSHED);
    }

    /// The connection becomes something else. The answer waits until the connection knows: it polls hyper
    /// once more then, in another way.
    pub(crate) async fn upgraded(&self) {
        poll_fn(|_| {
            let known = self.is_upgraded();
            self.mark(UPGRADED);
            if known { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    pub(crate) fn is_upgraded(&self) -> bool {
        self.has(UPGRADED)
    }

    /// Whether the handler did not read all of the request.
    pub(crate) fn is_left(&self) -> bool {
        self.has(LEFT)
    }

    /// Where it stands. What is left unread is told once.
    pub(crate) fn progress(&self) -> Progress {
        if !self.has(BEGUN) {
            Progress::NoRequest
        } else if self.has(UPGRADED) {
            Progress::Upgraded
        } else if !self.has(ANSWERED) || !self.has(FLUSHED) {
            Progress::Underway
        } else if self.has(READ) {
            Progress::Over
        } else if self.has(LEFT) {
            self.mark(READ);
            Progress::LeftUnread
        } else {
            Progress::Underway
        }
    }

    /// The answer is complete. What was flushed before was not all of it.
    fn answered(&self) {
        self.0.store(self.0.load(Relaxed) & !FLUSHED | ANSWERED, Relaxed);
    }

    fn has(&self, flag: u8) -> bool {
        self.0.load(Relaxed) & flag != 0
    }

    fn mark(&self, flag: u8) {
        self.0.fetch_or(flag, Relaxed);
    }
}

/// The body of a request. A client that sends it too slowly is not waited for.
#[derive(Debug)]
pub(crate) struct RequestBody {
    body: Incoming,
    exchange: Arc<Exchange>,
    pace: Pace,
}

impl RequestBody {
    pub(crate) fn wrap(body: Incoming, exchange: &Arc<Exchange>, window: Duration) -> Body {
        if body.is_end_stream() {
            return Body::empty();
        }
        Body::new(Self { body, exchange: Arc::clone(exchange), pace: Pace::new(window) })
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
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            return match this.pace.check(cx) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Some(Err(slow(&error)))),
            };
        };
        if let Some(Ok(frame)) = &frame {
            this.pace.moved(frame.data_ref().map_or(0, Bytes::len));
        }
        if frame.is_none() || this.body.is_end_stream() {
            this.exchange.mark(READ);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn slow(error: &io::Error) -> BoxError {
    format!("cannot read the body of a request: {error}").into()
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !self.exchange.has(READ) {
            self.exchange.mark(LEFT);
        }
    }
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    body: Body,
    exchange: Arc<Exchange>,
}

impl ResponseBody {
    pub(crate) fn new(body: Body, exchange: Arc<Exchange>) -> Self {
        Self { body, exchange }
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
        self.exchange.answered();
    }
}
