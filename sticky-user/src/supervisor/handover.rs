//! The handover to the next supervisor: what it finds with the keeper, and with the service manager.
//!
//! This supervisor waits for neither of them. An update that one does not take now is sent later
//! (`pending_updates.rs`). A keeper that takes nothing is ended, and another one is told everything.

use std::future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::deadline::at;
use super::pending_updates::{PendingUpdates, Update};
use super::run_dir::RunDir;
use super::service_manager::ServiceManager;
use super::spawn::{self, Launched};
use crate::keeper::KeeperClient;
use crate::step::StepError;
use sticky_sys::fd_passing::is_crowded;

/// A keeper that runs takes what it is told at once.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a new worker waits until the keeper was told of it.
const WAIT: Duration = Duration::from_secs(1);
/// Before another attempt, when the user has too many descriptors on their way.
const PAUSE: Duration = Duration::from_millis(50);

/// Keeps both stores up to date: keeper and service manager.
#[derive(Debug)]
pub(super) struct HandoverWriter {
    keeper: Option<KeeperChannel>,
    manager: ServiceManager,
    /// New workers that the keeper was not told of yet, and when they no longer wait for it.
    launched: Vec<(Instant, Launched)>,
}

/// What happened to the keeper.
#[derive(Debug)]
pub(super) enum KeeperEvent {
    /// The keeper has taken all updates.
    Settled,
    /// The keeper has ended without being told to.
    Ended,
    /// The keeper takes nothing.
    Stuck,
    /// The keeper cannot be told anything.
    Broken(io::Error),
}

impl HandoverWriter {
    pub(super) fn new(keeper: KeeperClient, manager: ServiceManager) -> Self {
        Self { keeper: Some(KeeperChannel::new(keeper)), manager, launched: Vec::new() }
    }

    /// The names of what the keeper and the service manager have from an earlier supervisor.
    pub(super) fn assume_stored(
        &mut self,
        kept: impl IntoIterator<Item = String>,
        stored: impl IntoIterator<Item = String>,
    ) {
        self.manager.assume_stored(stored);
        if let Some(channel) = &mut self.keeper {
            channel.pending.assume_stored(kept);
        }
    }

    pub(super) fn keep(&mut self, name: &str, descriptor: BorrowedFd<'_>) {
        self.manager.keep(name, descriptor);
        if let Some(channel) = &mut self.keeper {
            match descriptor.try_clone_to_owned() {
                Ok(descriptor) => channel.pending.keep(name, descriptor),
                Err(error) => channel.broken = Some(error),
            }
            channel.flush();
        }
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.manager.forget(name);
        if let Some(channel) = &mut self.keeper {
            channel.pending.forget(name);
            channel.flush();
        }
    }

    pub(super) fn note(&mut self, note: String) {
        self.manager.note(&note);
        if let Some(channel) = &mut self.keeper {
            channel.pending.note(note);
            channel.flush();
        }
    }

    /// Tells the service manager a state of the service.
    pub(super) fn tell(&mut self, state: &[NotifyState<'_>]) {
        self.manager.tell(state);
    }

    /// Lets a new worker go on when the keeper was told of it, or takes too long.
    pub(super) fn launch(&mut self, launched: Launched) {
        self.launched.push((Instant::now() + WAIT, launched));
        self.let_go();
    }

    /// Asks the keeper to tell when it has taken everything: [`KeeperEvent::Settled`].
    pub(super) fn ping(&mut self) {
        if let Some(channel) = &mut self.keeper {
            channel.ping_wanted = true;
            channel.flush();
        }
    }

    /// Waits until something happens to the keeper.
    pub(super) async fn next(&mut self) -> KeeperEvent {
        loop {
            self.let_go();
            let until = self.launched.first().map(|(until, _)| *until);
            tokio::select! {
                // Where the keeper was told more, a new worker may wait for that.
                event = next_event(&mut self.keeper) => if let Some(event) = event {
                    return event;
                },
                () = self.manager.keep_telling() => {}
                () = at(until) => {}
            }
        }
    }

    fn let_go(&mut self) {
        let told = self.keeper.as_ref().is_none_or(|channel| channel.pending.is_empty());
        let now = Instant::now();
        let late = self.launched.iter().filter(|(until, _)| *until <= now).count();
        if late > 0 && !told {
            warn!("the keeper does not take the note of {late} new workers; they go on without");
        }
        for (_, launched) in self.launched.extract_if(.., |(until, _)| told || *until <= now) {
            let pid = launched.pid;
            if let Err(error) = launched.go() {
                debug!(pid, "the worker cannot be told to go on: {error}; it has ended");
            }
        }
    }

    /// How long the keeper was there.
    pub(super) fn age(&self) -> Duration {
        self.keeper.as_ref().map_or(Duration::ZERO, |channel| channel.since.elapsed())
    }

    /// Ends the keeper, if it still runs.
    pub(super) fn end_keeper(&mut self) {
        if let Some(channel) = self.keeper.take() {
            channel.keeper.end();
        }
    }

    /// Another keeper, which knows nothing yet.
    pub(super) fn renew(&mut self, run_dir: &RunDir) -> Result<(), StepError> {
        self.end_keeper();
        let keeper = KeeperClient::start(&run_dir.keeper(), spawn::keeper())?;
        self.keeper = Some(KeeperChannel::new(keeper));
        Ok(())
    }

    /// Removes everything from both stores: the end of serving. Waits for some time at most.
    pub(super) async fn dissolve(self) {
        self.manager.clear().await;
        if let Some(channel) = self.keeper {
            channel.keeper.leave().await;
        }
    }
}

/// A keeper, and the updates on their way to it.
#[derive(Debug)]
struct KeeperChannel {
    keeper: KeeperClient,
    since: Instant,
    pending: PendingUpdates<OwnedFd>,
    /// Since when the keeper has not answered, though there is something for it to take.
    unanswered: Option<Instant>,
    /// A ping was sent, and the keeper has not answered.
    ping_sent: bool,
    /// Another ping is to follow, behind the updates that were sent since.
    ping_wanted: bool,
    /// Why no more updates are sent now.
    blocked: Option<io::Error>,
    broken: Option<io::Error>,
}

impl KeeperChannel {
    fn new(keeper: KeeperClient) -> Self {
        let pending = PendingUpdates::default();
        let (unanswered, ping_sent, ping_wanted, blocked, broken) =
            (None, false, false, None, None);
        let since = Instant::now();
        Self { keeper, since, pending, unanswered, ping_sent, ping_wanted, blocked, broken }
    }

    /// Sends the updates that the keeper takes at once.
    fn flush(&mut self) {
        self.blocked = None;
        while self.broken.is_none() && self.blocked.is_none() {
            let sent = match self.pending.next() {
                Some(Update::Keep(name, descriptor)) => self.keeper.keep(name, descriptor.as_fd()),
                Some(Update::Forget(name)) => self.keeper.forget(name),
                Some(Update::Note(note)) => self.keeper.note(note),
                None if self.ping_wanted && !self.ping_sent => self.keeper.ping(),
                None => break,
            };
            let was_ping = self.pending.is_empty();
            match sent {
                Ok(()) if was_ping => (self.ping_sent, self.ping_wanted) = (true, false),
                Ok(()) => {
                    self.pending.sent();
                    self.ping_wanted = true;
                }
                Err(error) if is_crowded(&error) => self.blocked = Some(error),
                Err(error) => self.broken = Some(error),
            }
        }
        if self.unanswered.is_none() && (self.ping_sent || self.blocked.is_some()) {
            self.unanswered = Some(Instant::now());
        }
    }

    fn answered(&mut self) {
        self.ping_sent = false;
        self.unanswered = None;
        self.flush();
    }

    fn is_settled(&self) -> bool {
        self.pending.is_empty() && !self.ping_sent && !self.ping_wanted
    }
}

/// Waits for one thing to happen; `None` where more updates were sent, and nothing else.
async fn next_event(keeper: &mut Option<KeeperChannel>) -> Option<KeeperEvent> {
    let Some(channel) = keeper else {
        return future::pending().await;
    };
    if let Some(error) = channel.broken.take() {
        return Some(lost(error));
    }
    let until = channel.unanswered.map(|since| since + PATIENCE);
    let blocked = channel.blocked.as_ref().map(io::Error::kind);
    let answered = tokio::select! {
        ended = channel.keeper.ended() => {
            return Some(ended.map_or_else(KeeperEvent::Broken, |()| KeeperEvent::Ended));
        }
        answered = channel.keeper.answered() => answered.map(|()| true),
        room = room(&channel.keeper, blocked), if blocked.is_some() => {
            channel.flush();
            return room.err().map(lost);
        }
        // Perhaps not the keeper, but this process was kept from running.
        () = at(until) => channel.keeper.has_answered(),
    };
    match answered {
        Ok(true) => channel.answered(),
        Ok(false) => return Some(KeeperEvent::Stuck),
        Err(error) => return Some(lost(error)),
    }
    channel.is_settled().then_some(KeeperEvent::Settled)
}

/// Until the keeper may take more.
async fn room(keeper: &KeeperClient, blocked: Option<io::ErrorKind>) -> io::Result<()> {
    if blocked == Some(io::ErrorKind::WouldBlock) {
        return keeper.writable().await;
    }
    #[expect(clippy::disallowed_methods, reason = "the limit of a user has no event")]
    sleep(PAUSE).await;
    Ok(())
}

fn lost(error: io::Error) -> KeeperEvent {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};

    match error.kind() {
        BrokenPipe | ConnectionReset | UnexpectedEof => KeeperEvent::Ended,
        _ => KeeperEvent::Broken(error),
    }
}
