//! The backlog of one session.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use socketioxide_core::Sid;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

use super::by_id::ById;
use super::limits::{CLIENT_TIMEOUT, Limits};

/// What the backlogs of a worker share.
#[derive(Debug)]
pub(super) struct OfWorker {
    pub(super) limits: Limits,
    pub(super) sessions: ById<Backlog>,
}

/// What waits for one session's client, and whether the session is heard meanwhile.
pub struct Backlog {
    shared: Arc<OfWorker>,
    id: OnceLock<Sid>,
    state: Mutex<State>,
    /// Something left, or the client was given up.
    left: Notify,
    given_up: AtomicBool,
    /// Broadcasts of this client that are not done yet.
    pub(super) sending: AtomicUsize,
    /// They are sent one after the other.
    pub(super) send_order: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct State {
    waiting: usize,
    /// Since when nothing has left, if something waits.
    stuck: Option<Instant>,
    /// Since when it is behind: the limit was reached, and half of it was not since.
    behind: Option<Instant>,
    /// What a client that fetches has brought and not fetched the like of; `None` while it waits for more.
    brought: Option<Brought>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    end: Option<Box<dyn FnOnce() + Send>>,
    /// Nothing that is sent to it can arrive any more.
    is_gone: bool,
}

#[derive(Default)]
struct Brought {
    packets: usize,
    bytes: usize,
}

impl OfWorker {
    pub(super) fn new(limit: usize) -> Self {
        Self { limits: Limits::new(limit), sessions: ById::default() }
    }
}

impl Backlog {
    pub(super) fn sharing(shared: &Arc<OfWorker>) -> Arc<Self> {
        Arc::new(Self {
            shared: Arc::clone(shared),
            id: OnceLock::new(),
            state: Mutex::new(State { brought: Some(Brought::default()), ..State::default() }),
            left: Notify::new(),
            given_up: AtomicBool::new(false),
            sending: AtomicUsize::new(0),
            send_order: Arc::default(),
        })
    }

    /// The session has joined under this id: from now on broadcasts to it are counted.
    pub fn named(self: &Arc<Self>, id: Sid) {
        if self.id.set(id).is_ok() {
            self.shared.sessions.enter(id, self);
        }
    }

    /// What to do when the client is given up, beside failing its connection.
    pub fn on_end(&self, end: impl FnOnce() + Send + 'static) {
        self.lock().end = Some(Box::new(end));
    }

    /// A packet is to be sent to the client, of so many bytes at least.
    pub fn put(&self, bytes: usize) {
        let weight = self.shared.limits.packet().saturating_add(bytes);
        let mut state = self.lock();
        if state.is_gone {
            return;
        }
        state.waiting = state.waiting.saturating_add(weight);
        state.stuck.get_or_insert_with(Instant::now);
        if state.waiting >= self.shared.limits.bytes() {
            state.behind.get_or_insert_with(Instant::now);
        }
    }

    /// Packets have left, and bytes of some: to the kernel, or in the answer to a request.
    pub fn took(&self, packets: usize, bytes: usize) {
        let weight = packets.saturating_mul(self.shared.limits.packet()).saturating_add(bytes);
        let mut state = self.lock();
        state.waiting = state.waiting.saturating_sub(weight);
        state.stuck = (state.waiting > 0).then(Instant::now);
        if let Some(brought) = &mut state.brought {
            brought.packets = brought.packets.saturating_sub(packets);
            brought.bytes = brought.bytes.saturating_sub(bytes);
        }
        if state.behind.is_some() && state.waiting <= self.shared.limits.bytes() / 2 {
            state.behind = None;
        }
        drop(state);
        self.left.notify_waiters();
    }

    /// Nothing waits any more.
    pub fn drained(&self) {
        self.took(0, usize::MAX);
    }

    /// The client went away: no broadcast waits for it any more, and it is not to blame.
    pub fn gone(&self) {
        self.lock().is_gone = true;
        self.drained();
    }

    /// A client that fetches waits for something to come, or does so no longer.
    pub fn waits(&self, waits: bool) {
        self.lock().brought = (!waits).then(Brought::default);
        if waits {
            self.drained();
        }
    }

    /// Waits until the client may bring so much: not while its broadcasts are not done; and as long as
    /// it fetches nothing, it may bring as many bytes as may wait for it, and [`Backlog::unfetched`] packets.
    pub async fn may_bring(&self, packets: usize, bytes: usize) {
        let fetches = self.until(|| self.is_given_up() || self.brings(packets, bytes));
        if timeout(CLIENT_TIMEOUT, fetches).await.is_err() {
            self.give_up();
        }
        self.until(|| self.is_given_up() || !self.is_sending()).await;
    }

    /// So many packets a client that polls may bring until it fetches: each may have an answer.
    pub fn unfetched(&self) -> usize {
        self.shared.limits.unfetched()
    }

    fn brings(&self, packets: usize, bytes: usize) -> bool {
        let mut state = self.lock();
        if state.is_gone {
            return true;
        }
        let Some(brought) = &mut state.brought else { return true };
        let fits =
            |has: usize, more, most| more == 0 || has == 0 || has.saturating_add(more) <= most;
        if !fits(brought.bytes, bytes, self.shared.limits.bytes())
            || !fits(brought.packets, packets, self.unfetched())
        {
            return false;
        }
        brought.bytes = brought.bytes.saturating_add(bytes);
        brought.packets = brought.packets.saturating_add(packets);
        true
    }

    /// Whether as much waits for it as may, and its client has not been given up.
    pub fn is_behind(&self) -> bool {
        !self.is_given_up() && self.lock().behind.is_some()
    }

    /// Waits until it is not behind, or was given up, which happens now if it is late.
    pub(super) async fn capacity(&self) {
        while let Some(deadline) = self.deadline() {
            if deadline <= Instant::now() {
                self.give_up();
            } else {
                let _ =
                    timeout_at(deadline, self.until(|| self.deadline() != Some(deadline))).await;
            }
        }
    }

    /// Something else has changed that waiting tasks look at.
    pub(super) fn look_again(&self) {
        self.left.notify_waiters();
    }

    /// Waits until this is so; looked at whenever something has left.
    async fn until(&self, is_so: impl Fn() -> bool) {
        loop {
            let left = self.left.notified();
            if is_so() {
                return;
            }
            left.await;
        }
    }

    /// Until when it has to take something; `None` when it is not behind.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.is_given_up() {
            return None;
        }
        let state = self.lock();
        let behind = state.behind?;
        Some(
            state.stuck.map_or(behind, |stuck| stuck.min(behind))
                + self.shared.limits.client_timeout(),
        )
    }

    /// Ends the session: its client did not read what was sent to it.
    pub(super) fn give_up(&self) {
        if self.end() {
            self.shared.limits.give_up();
        }
    }

    /// Ends the session: its client shall know that it missed something. `false` when it was ended before.
    pub(super) fn end(&self) -> bool {
        if self.given_up.swap(true, Ordering::Relaxed) {
            return false;
        }
        let mut state = self.lock();
        let end = state.end.take();
        let wakers = [state.reader.take(), state.writer.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
        if let Some(end) = end {
            end();
        }
        self.left.notify_waiters();
        true
    }

    /// Whether its client was given up.
    pub fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// Whether the client may be heard; if not, the task is woken when it may.
    pub fn poll_hear(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        keep(&mut state.reader, cx);
        if self.is_sending() { Poll::Pending } else { Poll::Ready(()) }
    }

    fn is_sending(&self) -> bool {
        self.sending.load(Ordering::Relaxed) > 0
    }

    /// The writer waits; it is woken when the client is given up.
    pub fn writer_waits(&self, cx: &Context<'_>) {
        keep(&mut self.lock().writer, cx);
    }

    /// The last broadcast of this client is done.
    pub(super) fn sent(&self) {
        let reader = self.lock().reader.take();
        if let Some(reader) = reader {
            reader.wake();
        }
        self.left.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep(waker: &mut Option<Waker>, cx: &Context<'_>) {
    if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
        *waker = Some(cx.waker().clone());
    }
}

impl Drop for Backlog {
    fn drop(&mut self) {
        if let Some(id) = self.id.get() {
            self.shared.sessions.leave(id);
        }
    }
}

impl fmt::Debug for Backlog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backlog").field("id", &self.id).finish_non_exhaustive()
    }
}
