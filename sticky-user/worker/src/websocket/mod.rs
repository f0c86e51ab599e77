//! A WebSocket that carries a session of Engine.IO.
//!
//! The engine gets the bare stream, wrapped ([`stream`]): what goes through it is put down to the session's
//! account, a client that does not read is given up, and when the worker drains the session is ended as
//! its client would end it: the packet "close" is put between two messages of what the client sends.
//! Whatever was emitted before still goes out, then the WebSocket is closed. (`SocketIo::close` does the
//! same, but for all sessions at once.)

mod frames;
mod link;
mod opening;
mod reading;
mod stream;
mod writing;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use sticky_bus::backlog::Backlog;
use tokio_util::task::task_tracker::TaskTrackerToken;

pub(crate) use self::stream::WebsocketStream;

/// How long a client that has opened a WebSocket may take to join. It does so at once, so this is
/// for the way there and back.
pub(crate) const JOIN_LIMIT: Duration = Duration::from_secs(1);

/// What is to be done when a session does not go over to a WebSocket.
pub(crate) type Abandoned = Box<dyn FnOnce() + Send>;

/// What sessions know of a WebSocket, and can do to it.
#[derive(Debug)]
pub(crate) struct Websocket {
    pub(crate) backlog: Arc<Backlog>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    begins: Begins,
    /// Held until the client is there: has joined, or gone over to the WebSocket.
    beginning: Option<TaskTrackerToken>,
    is_to_close: bool,
    reader: Option<Waker>,
}

/// How it begins. To the official client, one that ends before is the end of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begins {
    /// The client opens a session with it, and joins.
    Opening(Instant),
    /// The client upgrades a session that polled.
    Upgrading,
}

impl Websocket {
    /// One that opens a session. The token is held until the client has joined.
    pub(crate) fn opening(backlog: Arc<Backlog>, token: TaskTrackerToken) -> Arc<Self> {
        Self::new(backlog, Begins::Opening(Instant::now()), token)
    }

    /// One that a session is upgraded to. The token is held until that is done, or will never be.
    pub(crate) fn upgrading(backlog: Arc<Backlog>, token: TaskTrackerToken) -> Arc<Self> {
        Self::new(backlog, Begins::Upgrading, token)
    }

    fn new(backlog: Arc<Backlog>, begins: Begins, token: TaskTrackerToken) -> Arc<Self> {
        let state = State { begins, beginning: Some(token), is_to_close: false, reader: None };
        Arc::new(Self { backlog, state: Mutex::new(state) })
    }

    /// Ends the session when the message or the beginning that is on its way, if any, is complete.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.is_to_close = true;
        // A client that has not joined by now hardly will.
        if matches!(state.begins, Begins::Opening(since) if since.elapsed() > JOIN_LIMIT) {
            state.beginning = None;
        }
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// The client is there, or has gone.
    fn has_begun(&self) {
        let mut state = self.lock();
        state.beginning = None;
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn is_opening(&self) -> bool {
        let state = self.lock();
        state.beginning.is_some() && state.begins != Begins::Upgrading
    }

    fn is_upgrading(&self) -> bool {
        let state = self.lock();
        state.beginning.is_some() && state.begins == Begins::Upgrading
    }

    /// Whether it is to be closed now; if not, the reader is woken when it may be.
    fn is_to_close(&self, cx: &Context<'_>) -> bool {
        let mut state = self.lock();
        let closes = state.is_to_close && state.beginning.is_none();
        if !closes && !state.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
            state.reader = Some(cx.waker().clone());
        }
        closes
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
