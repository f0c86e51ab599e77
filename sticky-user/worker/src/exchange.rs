//! One request and its answer, as far as the connection has to know of them.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// hyper has parsed the head.
const BEGUN: u64 = 1;
/// The request was read to its end, or hyper has decided what becomes of the rest.
const READ: u64 = 2;
/// The handler does not read the rest of the request.
const LEFT: u64 = 4;
/// All of the answer is in hyper's buffer, or beyond.
const ANSWERED: u64 = 8;
/// And beyond: the kernel has it.
const FLUSHED: u64 = 16;
/// The answer makes something else of the connection, which is slow or fast as that wants it.
const UPGRADED: u64 = 32;
/// The answer tells the client that the connection ends with it, which the client did not ask for.
const CLOSES: u64 = 64;

/// Above the flags: the number of the request on its connection.
const ONE_MORE: u64 = 1 << 8;
const FLAGS: u64 = ONE_MORE - 1;

/// How far the current request of a connection has come. The body of a request may be read, or dropped, in
/// another task than the connection's, even when a later request has begun.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    /// Flags, and the number of the request that they are about.
    state: AtomicU64,
    /// The connection's task, while it waits for what another task does with the request's body.
    connection: Mutex<Option<Waker>>,
}

/// One request among those of its connection: what it marks says nothing of a later one.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    exchange: Arc<Exchange>,
    number: u64,
}

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
        self.next(0);
    }

    /// A request begins, perhaps behind another that has just been answered.
    pub(crate) fn begin(self: &Arc<Self>, has_body: bool) -> Turn {
        let number = self.next(if has_body { BEGUN } else { BEGUN | READ });
        Turn { exchange: Arc::clone(self), number }
    }

    /// The state of another request, of which this is known. Its number.
    fn next(&self, flags: u64) -> u64 {
        // Only the connection's task changes the number.
        let number = (self.state.load(Relaxed) & !FLAGS).wrapping_add(ONE_MORE);
        self.state.store(number | flags, Relaxed);
        number
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

    /// This side ends the connection with the answer.
    pub(crate) fn closes(&self) {
        self.mark(CLOSES);
    }

    /// Whether the client may still be sending: something of this request, or the next one.
    pub(crate) fn ends_unexpectedly(&self) -> bool {
        self.has(LEFT | CLOSES)
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

    /// Where it stands, when hyper waits. While that depends on another task, the connection is woken.
    pub(crate) fn poll_progress(&self, cx: &Context<'_>) -> Progress {
        let progress = self.progress();
        if progress != Progress::Underway || self.has(READ) {
            return progress;
        }
        let mut connection = self.lock();
        if !connection.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *connection = Some(cx.waker().clone());
        }
        drop(connection);
        // Marked before the waker was there.
        self.progress()
    }

    fn has(&self, flag: u64) -> bool {
        self.state.load(Relaxed) & flag != 0
    }

    fn mark(&self, flag: u64) {
        self.state.fetch_or(flag, Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waker>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// The answer is complete. What was flushed before was not all of it.
    pub(crate) fn answered(&self) {
        self.update(|flags| flags & !FLUSHED | ANSWERED);
    }

    /// The body was read to its end.
    pub(crate) fn read(&self) {
        self.update(|flags| flags | READ);
        self.wake();
    }

    /// The body was dropped, perhaps before its end.
    pub(crate) fn left(&self) {
        self.update(|flags| if flags & READ == 0 { flags | LEFT } else { flags });
        self.wake();
    }

    /// Changes the flags, unless a later request has begun.
    fn update(&self, change: impl Fn(u64) -> u64) {
        let _ = self.exchange.state.fetch_update(Relaxed, Relaxed, |state| {
            (state & !FLAGS == self.number).then(|| change(state))
        });
    }

    fn wake(&self) {
        let connection = self.exchange.lock().take();
        if let Some(connection) = connection {
            connection.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flushed(turn: &Turn) -> Progress {
        turn.answered();
        turn.exchange.flushed();
        turn.exchange.progress()
    }

    #[test]
    fn a_body_that_is_dropped_late_says_nothing_of_the_next_request() {
        let exchange = Arc::new(Exchange::default());
        let first = exchange.begin(true);
        let second = exchange.begin(true);
        first.left();
        assert_eq!(flushed(&second), Progress::Underway);
        first.read();
        first.answered();
        assert_eq!(exchange.progress(), Progress::Underway);
        second.left();
        assert_eq!(exchange.progress(), Progress::LeftUnread);
        exchange.reset();
        second.read();
        assert_eq!(exchange.progress(), Progress::NoRequest);
    }

    #[test]
    fn an_answer_does_not_undo_what_is_known_of_the_body() {
        let exchange = Arc::new(Exchange::default());
        let turn = exchange.begin(true);
        turn.read();
        turn.left();
        assert_eq!(flushed(&turn), Progress::Over);
        assert!(!exchange.ends_unexpectedly());
    }
}
