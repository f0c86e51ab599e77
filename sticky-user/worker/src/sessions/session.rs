//! One session of Engine.IO, as far as its end is concerned.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::registry::Registry;
use crate::websocket::Websocket;
use sticky_bus::backlog::Backlog;

/// Travels with the request that opens the session, and so lives as long as the engine knows it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) number: u64,
    pub(super) backlog: Arc<Backlog>,
    registry: Weak<Registry>,
    /// It is to end.
    told: AtomicBool,
    tells: Notify,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Known of those that began with long-polling.
    id: Option<String>,
    /// What it came over, or was upgraded to.
    websocket: Option<Arc<Websocket>>,
    /// Its client polls, and is not on its way to a WebSocket.
    polling: Option<TaskTrackerToken>,
    /// The client was told that it has ended.
    ended: bool,
}

impl Session {
    /// Its client polls.
    pub(super) fn polling(number: u64, registry: &Arc<Registry>) -> Self {
        let polling = Some(registry.polling.token());
        Self::new(number, registry, registry.backlog(), State { polling, ..State::default() })
    }

    /// Its client has opened this WebSocket.
    pub(super) fn over(websocket: &Arc<Websocket>, number: u64, registry: &Arc<Registry>) -> Self {
        let state = State { websocket: Some(Arc::clone(websocket)), ..State::default() };
        Self::new(number, registry, Arc::clone(&websocket.backlog), state)
    }

    fn new(number: u64, registry: &Arc<Registry>, backlog: Arc<Backlog>, state: State) -> Self {
        Self {
            number,
            backlog,
            registry: Arc::downgrade(registry),
            told: AtomicBool::new(false),
            tells: Notify::new(),
            state: Mutex::new(state),
        }
    }

    pub(super) fn has_id(&self, id: String) {
        self.lock().id = Some(id);
    }

    /// Its client goes over to a WebSocket, and `token` is held until it has. `None` if it does so already.
    pub(super) fn upgrades(&self, token: TaskTrackerToken) -> Option<Arc<Websocket>> {
        let mut state = self.lock();
        if state.websocket.is_some() {
            return None;
        }
        let websocket = Websocket::upgrading(Arc::clone(&self.backlog), token);
        state.websocket = Some(Arc::clone(&websocket));
        state.polling = None;
        if self.is_told() {
            websocket.close();
        }
        Some(websocket)
    }

    /// Ends it: a WebSocket when its client is there, which would take one that is closed before for an
    /// error; otherwise with the next request, and all that come later.
    pub(super) fn end(&self) {
        self.tell();
        if let Some(websocket) = &self.lock().websocket {
            websocket.close();
        }
    }

    pub(super) fn is_told(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }

    fn tell(&self) {
        self.told.store(true, Ordering::Relaxed);
        self.tells.notify_waiters();
    }

    /// Waits until it is to end.
    pub(super) async fn told(&self) {
        let tells = self.tells.notified();
        if !self.is_told() {
            tells.await;
        }
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
        self.tell();
        self.ended();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.backlog.gone();
        if let Some(registry) = self.registry.upgrade() {
            let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
            registry.gone(self.number, state.id.take(), self.is_told());
        }
    }
}
