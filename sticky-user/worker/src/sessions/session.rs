//! One session of Engine.IO, as far as its end is concerned.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::registry::Registry;
use crate::websocket::Websocket;
use sticky_bus::backlog::{Backlog, Backlogs};

/// How long a client that has opened a WebSocket may take to join. It does so at once, so this is
/// for the way there and back.
pub(super) const JOIN_LIMIT: Duration = Duration::from_secs(1);

/// Travels with the request that opens the session, and so lives as long as the engine knows it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) number: u64,
    pub(super) backlog: Arc<Backlog>,
    registry: Weak<Registry>,
    opened: Instant,
    /// It is to end.
    told: CancellationToken,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Known of those that began with long-polling.
    id: Option<String>,
    /// What it came over, or was upgraded to.
    websocket: Option<Arc<Websocket>>,
    /// A WebSocket was opened, and the client has not joined.
    joining: Option<TaskTrackerToken>,
    /// Its client polls, and is not on its way to a WebSocket.
    polling: Option<TaskTrackerToken>,
    /// The client was told that it has ended.
    ended: bool,
}

impl Session {
    /// Its client polls.
    pub(super) fn polling(number: u64, registry: &Arc<Registry>) -> Self {
        let polling = Some(registry.polling.token());
        let backlog = Backlog::new(&Backlogs::of_this_process());
        Self::new(number, registry, backlog, State { polling, ..State::default() })
    }

    /// Its client has opened a WebSocket.
    pub(super) fn over(websocket: Arc<Websocket>, number: u64, registry: &Arc<Registry>) -> Self {
        let joining = Some(registry.joining.token());
        let backlog = Backlog::new(&Backlogs::of_this_process());
        websocket.carries(&backlog);
        let state = State { websocket: Some(websocket), joining, ..State::default() };
        Self::new(number, registry, backlog, state)
    }

    fn new(number: u64, registry: &Arc<Registry>, backlog: Arc<Backlog>, state: State) -> Self {
        Self {
            number,
            backlog,
            registry: Arc::downgrade(registry),
            opened: Instant::now(),
            told: CancellationToken::new(),
            state: Mutex::new(state),
        }
    }

    pub(super) fn has_id(&self, id: String) {
        self.lock().id = Some(id);
    }

    pub(super) fn joined(&self) {
        let mut state = self.lock();
        state.joining = None;
        if self.told.is_cancelled() {
            state.close_websocket();
        }
    }

    /// Its client goes over to a WebSocket.
    pub(super) fn upgrades_to(&self, websocket: Arc<Websocket>) {
        websocket.carries(&self.backlog);
        let mut state = self.lock();
        state.websocket = Some(websocket);
        state.polling = None;
        if self.is_told() {
            state.close_websocket();
        }
    }

    /// Ends it: a WebSocket now, or when the client has joined, which would take a WebSocket that is
    /// closed before for an error; otherwise with the next request, and all that come later.
    pub(super) fn end(&self) {
        self.told.cancel();
        let state = self.lock();
        if state.joining.is_none() || self.opened.elapsed() > JOIN_LIMIT {
            state.close_websocket();
        }
    }

    pub(super) fn is_told(&self) -> bool {
        self.told.is_cancelled()
    }

    /// Waits until it is to end.
    pub(super) async fn told(&self) {
        self.told.cancelled().await;
    }

    /// A request was answered with its end.
    pub(super) fn ended(&self) {
        let mut state = self.lock();
        state.polling = None;
        state.ended = true;
    }

    /// Whether one was.
    pub(super) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Whether it comes over a WebSocket.
    pub(super) fn has_upgraded(&self) -> bool {
        self.lock().websocket.is_some()
    }

    /// Ends it now, for its client takes nothing: to be followed by the engine's forgetting it.
    pub(super) fn given_up(&self) {
        self.told.cancel();
        self.ended();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn close_websocket(&self) {
        if let Some(websocket) = &self.websocket {
            websocket.close();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.backlog.gone();
        if let Some(registry) = self.registry.upgrade() {
            let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
            registry.gone(self.number, state.id.take(), self.told.is_cancelled());
        }
    }
}
