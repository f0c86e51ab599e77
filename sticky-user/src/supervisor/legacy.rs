//! Everything that the next supervisor finds: with the keeper, and with the service manager.
//!
//! Neither is waited for. What one does not take now is told later (`untold.rs`), and a keeper that
//! takes nothing is ended, for another that is told everything.

use std::future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::deadline::at;
use super::run_dir::RunDir;
use super::service_manager::ServiceManager;
use super::spawn::{self, Launched};
use super::untold::{Next, Untold};
use crate::keeper::{Keeper, KeeperError};
use sticky_sys::fd_passing::is_crowded;

/// A keeper that runs takes what it is told at once.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a new worker waits until the keeper was told of it.
const WAIT: Duration = Duration::from_secs(1);
/// Before another attempt, when the user has too many descriptors on their way.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Legacy {
    keeper: Option<Line>,
    manager: ServiceManager,
    /// New workers that the keeper was not told of yet, and when they no longer wait for it.
    launched: Vec<(Instant, Launched)>,
}

/// What is heard of the keeper.
#[derive(Debug)]
pub(super) enum Heard {
    /// It has taken all that it was told.
    Settled,
    /// It has ended without being told to.
    Ended,
    /// It takes nothing.
    Stuck,
    /// It cannot be told anything.
    Broken(io::Error),
}

impl Legacy {
    pub(super) fn new(keeper: Keeper, manager: ServiceManager) -> Self {
        Self { keeper: Some(Line::new(keeper)), manager, launched: Vec::new() }
    }

    /// What an earlier supervisor left with the keeper, and with the service manager, by name.
    pub(super) fn know(
        &mut self,
        kept: impl IntoIterator<Item = String>,
        stored: impl IntoIterator<Item = String>,
    ) {
        self.manager.know(stored);
        if let Some(line) = &mut self.keeper {
            line.untold.know(kept);
        }
    }

    pub(super) fn keep(&mut self, name: &str, descriptor: BorrowedFd<'_>) {
        self.manager.keep(name, descriptor);
        if let Some(line) = &mut self.keeper {
            match descriptor.try_clone_to_owned() {
                Ok(descriptor) => line.untold.keep(name, descriptor),
                Err(error) => line.broken = Some(error),
            }
            line.flush();
        }
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.manager.forget(name);
        if let Some(line) = &mut self.keeper {
            line.untold.forget(name);
            line.flush();
        }
    }

    pub(super) fn note(&mut self, note: String) {
        self.manager.note(&note);
        if let Some(line) = &mut self.keeper {
            line.untold.note(note);
            line.flush();
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

    /// Asks the keeper to tell when it has taken everything: [`Heard::Settled`].
    pub(super) fn ask(&mut self) {
        if let Some(line) = &mut self.keeper {
            line.asked_for = true;
            line.flush();
        }
    }

    /// What is heard of the keeper next.
    pub(super) async fn next(&mut self) -> Heard {
        loop {
            self.let_go();
            let until = self.launched.first().map(|(until, _)| *until);
            tokio::select! {
                // Where it was told more, a worker may wait for that.
                heard = turn(&mut self.keeper) => if let Some(heard) = heard {
                    return heard;
                },
                () = self.manager.told() => {}
                () = at(until) => {}
            }
        }
    }

    fn let_go(&mut self) {
        let told = self.keeper.as_ref().is_none_or(|line| line.untold.is_empty());
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
        self.keeper.as_ref().map_or(Duration::ZERO, |line| line.since.elapsed())
    }

    /// Ends the keeper, if it still runs.
    pub(super) fn end_keeper(&mut self) {
        if let Some(line) = self.keeper.take() {
            line.keeper.end();
        }
    }

    /// Another keeper, which knows nothing yet.
    pub(super) fn renew(&mut self, run_dir: &RunDir) -> Result<(), KeeperError> {
        self.end_keeper();
        let keeper = Keeper::start(&run_dir.keeper(), spawn::keeper())?;
        self.keeper = Some(Line::new(keeper));
        Ok(())
    }

    /// Nothing is left to nobody: the end of serving. Waits for some time at most.
    pub(super) async fn dissolve(self) {
        self.manager.clear().await;
        if let Some(line) = self.keeper {
            line.keeper.leave().await;
        }
    }
}

/// What the keeper is told, and was not told yet.
#[derive(Debug)]
struct Line {
    keeper: Keeper,
    since: Instant,
    untold: Untold<OwnedFd>,
    /// Since when it has not answered, though there is something for it to take.
    silent: Option<Instant>,
    /// It was asked, and has not answered.
    asked: bool,
    /// It is to be asked again, about what it was told since.
    asked_for: bool,
    /// Why not more is told now.
    crowded: Option<io::Error>,
    broken: Option<io::Error>,
}

impl Line {
    fn new(keeper: Keeper) -> Self {
        let untold = Untold::default();
        let (silent, asked, asked_for, crowded, broken) = (None, false, false, None, None);
        let since = Instant::now();
        Self { keeper, since, untold, silent, asked, asked_for, crowded, broken }
    }

    /// Tells what it takes at once.
    fn flush(&mut self) {
        self.crowded = None;
        while self.broken.is_none() && self.crowded.is_none() {
            let sent = match self.untold.next() {
                Some(Next::Keep(name, descriptor)) => self.keeper.keep(name, descriptor.as_fd()),
                Some(Next::Forget(name)) => self.keeper.forget(name),
                Some(Next::Note(note)) => self.keeper.note(note),
                None if self.asked_for && !self.asked => self.keeper.ask(),
                None => break,
            };
            let was_question = self.untold.is_empty();
            match sent {
                Ok(()) if was_question => (self.asked, self.asked_for) = (true, false),
                Ok(()) => {
                    self.untold.told();
                    self.asked_for = true;
                }
                Err(error) if is_crowded(&error) => self.crowded = Some(error),
                Err(error) => self.broken = Some(error),
            }
        }
        if self.silent.is_none() && (self.asked || self.crowded.is_some()) {
            self.silent = Some(Instant::now());
        }
    }

    fn answered(&mut self) {
        self.asked = false;
        self.silent = None;
        self.flush();
    }

    fn is_settled(&self) -> bool {
        self.untold.is_empty() && !self.asked && !self.asked_for
    }
}

/// Waits for one thing to happen; `None` when it is nothing but that more was told.
async fn turn(keeper: &mut Option<Line>) -> Option<Heard> {
    let Some(line) = keeper else {
        return future::pending().await;
    };
    if let Some(error) = line.broken.take() {
        return Some(lost(error));
    }
    let until = line.silent.map(|since| since + PATIENCE);
    let crowded = line.crowded.as_ref().map(io::Error::kind);
    let answered = tokio::select! {
        ended = line.keeper.ended() => {
            return Some(ended.map_or_else(Heard::Broken, |()| Heard::Ended));
        }
        answered = line.keeper.answered() => answered.map(|()| true),
        room = room(&line.keeper, crowded), if crowded.is_some() => {
            line.flush();
            return room.err().map(lost);
        }
        // This process may be the one that did not run.
        () = at(until) => line.keeper.has_answered(),
    };
    match answered {
        Ok(true) => line.answered(),
        Ok(false) => return Some(Heard::Stuck),
        Err(error) => return Some(lost(error)),
    }
    line.is_settled().then_some(Heard::Settled)
}

/// Until the keeper may take more.
async fn room(keeper: &Keeper, crowded: Option<io::ErrorKind>) -> io::Result<()> {
    if crowded == Some(io::ErrorKind::WouldBlock) {
        return keeper.writable().await;
    }
    sleep(PAUSE).await; // real delay: the limit of a user has no event
    Ok(())
}

fn lost(error: io::Error) -> Heard {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};

    match error.kind() {
        BrokenPipe | ConnectionReset | UnexpectedEof => Heard::Ended,
        _ => Heard::Broken(error),
    }
}
