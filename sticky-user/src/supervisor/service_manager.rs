//! What systemd is told, and what it stores: descriptors that outlive even the keeper, when all
//! processes of the service are killed.
//!
//! systemd hands back what it was given when it starts the service again (`FileDescriptorStoreMax=`
//! in the unit; `sd_notify(3)`, FDSTORE=1). A service manager that does not read holds up nothing: it
//! is told when it reads again.

use std::collections::{BTreeMap, VecDeque};
use std::env;
use std::fmt::Write;
use std::fs::File;
use std::future;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{SocketAddrUnix, connect};
use sd_notify::NotifyState;
use tokio::io::Interest;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::pending_updates::{PendingUpdates, Update};
use crate::keeper::Handover;
use sticky_contract::notify;
use sticky_sys::inherited::Descriptors;
use sticky_sys::readiness::{self, Watched};
use sticky_sys::{fd_passing, message};

/// Begins the names of ours.
const PREFIX: &str = "sticky.";
/// The note has no descriptor of its own: it is the content of this one.
const NOTE: &str = "note";
/// So many states wait for it to read; of more, the oldest are not told.
const STATES: usize = 64;
/// Before another attempt, where nothing tells that it reads again.
const PAUSE: Duration = Duration::from_millis(100);
/// How long it may take to take the last words.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The service manager, where there is one.
#[derive(Debug)]
pub(super) struct ServiceManager {
    at: Option<SocketAddrUnix>,
    /// Where descriptors are stored.
    note: Option<File>,
    states: VecDeque<String>,
    pending: PendingUpdates<OwnedFd>,
    /// The service manager did not take the last message.
    crowded: Option<Crowded>,
}

/// What tells that the service manager reads again: its socket, where it is known.
#[derive(Debug)]
struct Crowded(Option<Watched<OwnedFd>>);

impl ServiceManager {
    /// systemd says in a variable how many descriptors it would take.
    pub(super) fn open() -> io::Result<Self> {
        let at = notify::supervisor().unwrap_or_else(|error| {
            warn!("cannot tell the service manager anything: {error}");
            None
        });
        let wanted = at.is_some() && env::var("FDSTORE").is_ok_and(|most| most != "0");
        let (states, pending) = (VecDeque::new(), PendingUpdates::default());
        let mut this = Self { at, note: None, states, pending, crowded: None };
        if wanted {
            let note = File::from(memfd_create("sticky-note", MemfdFlags::CLOEXEC)?);
            // That of a supervisor before this one, in the same place.
            this.state(&[NotifyState::FdStoreRemove, NotifyState::FdName(&full(NOTE))]);
            this.pending.keep(NOTE, note.try_clone()?.into());
            this.note = Some(note);
            this.flush();
        }
        Ok(this)
    }

    /// What systemd hands back; `None` where that is nothing.
    pub(super) fn take(passed: &mut Descriptors) -> io::Result<Option<Handover>> {
        let mut descriptors: BTreeMap<String, OwnedFd> = passed
            .take_all(PREFIX)
            .into_iter()
            .map(|(name, descriptor)| (name.trim_start_matches(PREFIX).into(), descriptor))
            .collect();
        let Some(note) = descriptors.remove(NOTE) else {
            return Ok(None);
        };
        let (mut file, mut note) = (File::from(note), String::new());
        file.rewind()?;
        file.read_to_string(&mut note)?;
        Ok((!note.is_empty()).then_some(Handover { descriptors, note }))
    }

    /// The service manager stores what has these names already, where it stores anything.
    pub(super) fn assume_stored(&mut self, names: impl IntoIterator<Item = String>) {
        if self.note.is_some() {
            self.pending.assume_stored(names);
        }
    }

    /// Tells a state.
    pub(super) fn tell(&mut self, state: &[NotifyState<'_>]) {
        self.state(state);
        self.flush();
    }

    /// Stores a descriptor. Serving does not depend on it.
    pub(super) fn keep(&mut self, name: &str, descriptor: BorrowedFd<'_>) {
        if self.note.is_none() {
            return;
        }
        match descriptor.try_clone_to_owned() {
            Ok(descriptor) => self.pending.keep(name, descriptor),
            Err(error) => warn!("cannot store {name} with the service manager: {error}"),
        }
        self.flush();
    }

    /// Removes a descriptor.
    pub(super) fn forget(&mut self, name: &str) {
        self.pending.forget(name);
        self.flush();
    }

    /// Writes the note.
    pub(super) fn note(&self, text: &str) {
        let Some(note) = &self.note else {
            return;
        };
        let write = || -> io::Result<()> {
            // A supervisor that reads half of the note refuses it: the note is JSON.
            note.set_len(0)?;
            note.write_all_at(text.as_bytes(), 0)
        };
        if let Err(error) = write() {
            debug!("cannot write the note for the next supervisor: {error}");
        }
    }

    /// Goes on telling as soon as the service manager reads again; never resolves.
    pub(super) async fn keep_telling(&mut self) {
        loop {
            match &self.crowded {
                None => future::pending().await,
                Some(Crowded(Some(socket))) => {
                    // Where that fails, another socket is tried.
                    let _ = socket.writable().await;
                }
                Some(Crowded(None)) => {
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "the limit of a user has no event"
                    )]
                    sleep(PAUSE).await;
                }
            }
            self.crowded = None;
            self.flush();
        }
    }

    /// Removes everything: the end of serving. Waits for it, for some time.
    pub(super) async fn clear(mut self) {
        self.pending.forget_all();
        self.flush();
        if self.crowded.is_some() && timeout(LAST_WORDS, self.keep_telling()).await.is_err() {
            let told = self.states.is_empty() && self.pending.is_empty();
            if !told {
                warn!("the service manager did not read the last words within {LAST_WORDS:?}");
            }
        }
    }

    fn state(&mut self, states: &[NotifyState<'_>]) {
        if self.at.is_none() {
            return;
        }
        if self.states.len() >= STATES {
            self.states.pop_front();
        }
        self.states.push_back(lines(states));
    }

    /// Tells what it takes at once.
    fn flush(&mut self) {
        let Some(at) = &self.at else {
            return;
        };
        while self.crowded.is_none() {
            // Of two descriptors with one name, systemd would hold both, and hand back either.
            let must_forget_first = self.pending.must_forget_first();
            let (text, descriptor) = match (self.states.front(), self.pending.next()) {
                (Some(state), _) => (state.clone(), None),
                (None, Some(Update::Keep(name, _))) if must_forget_first.is_some() => {
                    (lines(&[NotifyState::FdStoreRemove, NotifyState::FdName(&full(name))]), None)
                }
                (None, Some(Update::Keep(name, descriptor))) => {
                    let store = [NotifyState::FdStore, NotifyState::FdName(&full(name))];
                    (lines(&store), Some(descriptor.as_fd()))
                }
                (None, Some(Update::Forget(name))) => {
                    (lines(&[NotifyState::FdStoreRemove, NotifyState::FdName(&full(name))]), None)
                }
                (None, Some(Update::Note(_)) | None) => return,
            };
            match send(at, &text, descriptor) {
                Ok(Some(crowded)) => {
                    self.crowded = Some(crowded);
                    return;
                }
                Ok(None) => {}
                // It is not there: serving does not depend on it.
                Err(error) => debug!("cannot notify the service manager: {error}"),
            }
            if self.states.pop_front().is_some() {
                continue;
            }
            if !self.pending.forgot_first() {
                self.pending.sent();
            }
        }
    }
}

fn full(name: &str) -> String {
    format!("{PREFIX}{name}")
}

fn lines(states: &[NotifyState<'_>]) -> String {
    states.iter().fold(String::new(), |mut text, state| {
        // Into a string, which takes all.
        let _ = writeln!(text, "{state}");
        text
    })
}

/// Sends without waiting; the result tells when to try again.
fn send(
    at: &SocketAddrUnix,
    text: &str,
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<Option<Crowded>> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    connect(&socket, at)?;
    match message::send(&socket, text.as_bytes(), descriptor) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            let watched = readiness::watch(OwnedFd::from(socket), Interest::WRITABLE);
            Ok(Some(Crowded(watched.ok())))
        }
        Err(error) if fd_passing::is_crowded(&error) => Ok(Some(Crowded(None))),
        sent => sent.map(|()| None),
    }
}
