//! The sessions that there are.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use sticky_bus::backlog::{Backlog, Backlogs};
use tokio_util::task::TaskTracker;

use super::session::Session;
use crate::Draining;
use crate::websocket::Websocket;
use sticky_contract::lease::AcceptLease;

/// As many sessions that have ended are remembered.
const MOST_ENDED: usize = 65_536;

#[derive(Debug)]
pub(super) struct Registry {
    draining: Draining,
    lease: AcceptLease,
    backlogs: Backlogs,
    /// Sessions over a WebSocket whose client has not joined, or goes over to it.
    pub(super) joining: TaskTracker,
    /// Sessions whose requests may still come.
    pub(super) polling: TaskTracker,
    book: Mutex<Sessions>,
}

#[derive(Debug, Default)]
struct Sessions {
    next: u64,
    by_number: HashMap<u64, Weak<Session>>,
    by_id: HashMap<String, u64>,
    /// Of sessions that this worker has ended.
    ended: HashSet<String>,
    /// Sessions end as soon as they are opened.
    closed: bool,
}

/// What is known of a session's id.
#[derive(Debug)]
pub(super) enum Known {
    /// There is, or was not long ago, a session with this id.
    Here(Arc<Session>),
    /// This worker has ended it, or its predecessor did.
    Ended,
    /// Nothing.
    Unknown,
}

impl Registry {
    pub(super) fn new(draining: Draining, lease: AcceptLease, backlogs: Backlogs) -> Self {
        Self {
            draining,
            lease,
            backlogs,
            joining: TaskTracker::new(),
            polling: TaskTracker::new(),
            book: Mutex::default(),
        }
    }

    /// A client opens a session by long-polling. Its id is told when the engine has chosen it.
    pub(super) fn open_polling(self: &Arc<Self>) -> Arc<Session> {
        self.enter(|number| Session::polling(number, self))
    }

    /// A client opens a session over a WebSocket.
    pub(super) fn open_websocket(self: &Arc<Self>) -> (Arc<Session>, Arc<Websocket>) {
        let websocket = Websocket::opening(self.backlog(), self.joining.token());
        let session = self.enter(|number| Session::over(&websocket, number, self));
        (session, websocket)
    }

    /// Of a session that is not joined yet, or will never be.
    pub(super) fn backlog(&self) -> Arc<Backlog> {
        Backlog::new(&self.backlogs)
    }

    fn enter(&self, open: impl FnOnce(u64) -> Session) -> Arc<Session> {
        let mut book = self.lock();
        let session = Arc::new(open(book.next));
        book.next += 1;
        book.by_number.insert(session.number, Arc::downgrade(&session));
        if book.closed {
            session.end();
        }
        session
    }

    /// The engine has chosen an id. To be called before the client gets to know it.
    pub(super) fn name(&self, session: &Session, id: &str) {
        session.has_id(id.into());
        if let Ok(id) = id.parse() {
            session.backlog.named(id);
        }
        self.lock().by_id.insert(id.into(), session.number);
        // The successor may get the next request. Those that were there before: see `leave_word`.
        if self.draining.has_begun() {
            self.lease.closed_sessions().record([id]);
        }
    }

    /// Tells the successor which sessions are not its own and not unknown either.
    pub(super) fn leave_word(&self) {
        let ids: Vec<String> = self.lock().by_id.keys().cloned().collect();
        self.lease.closed_sessions().record(ids.iter().map(String::as_str));
    }

    pub(super) fn find(&self, id: &str) -> Known {
        let book = self.lock();
        let session = book.by_id.get(id).and_then(|number| book.by_number.get(number));
        match session.and_then(Weak::upgrade) {
            Some(session) => return Known::Here(session),
            None if book.ended.contains(id) => return Known::Ended,
            None => drop(book),
        }
        if self.lease.closed_sessions().contains(id) { Known::Ended } else { Known::Unknown }
    }

    pub(super) fn all(&self) -> Vec<Arc<Session>> {
        self.lock().by_number.values().filter_map(Weak::upgrade).collect()
    }

    /// Ends all sessions, and those that are opened from now on.
    pub(super) fn end_all(&self) {
        self.lock().closed = true;
        for session in self.all() {
            session.end();
        }
    }

    /// The engine has forgotten a session.
    pub(super) fn gone(&self, number: u64, id: Option<String>, ended: bool) {
        let mut book = self.lock();
        book.by_number.remove(&number);
        if let Some(id) = id {
            book.by_id.remove(&id);
            if ended {
                if book.ended.len() >= MOST_ENDED {
                    book.ended.clear();
                }
                book.ended.insert(id);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
