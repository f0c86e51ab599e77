//! systemd's file descriptor store: what outlives even the keeper, when all processes of the service
//! are killed.
//!
//! systemd hands back what it was given when it starts the service again (`FileDescriptorStoreMax=`
//! in the unit; `sd_notify(3)`, FDSTORE=1).

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, memfd_create};
use sd_notify::NotifyState;
use tracing::debug;

use crate::keeper::Estate;
use crate::sys::inherited;

/// Begins the names of ours.
const PREFIX: &str = "sticky.";
/// The note has no descriptor of its own: it is the content of this one.
const NOTE: &str = "note";

/// The store of the service that this process is, where there is one.
#[derive(Debug)]
pub(super) struct FdStore {
    note: Option<File>,
    names: BTreeSet<String>,
}

impl FdStore {
    /// systemd says in a variable how many descriptors it would take.
    pub(super) fn open() -> io::Result<Self> {
        let wanted = env::var("FDSTORE").is_ok_and(|most| most != "0");
        let mut this = Self { note: None, names: BTreeSet::new() };
        if wanted {
            let note = File::from(memfd_create("sticky-note", MemfdFlags::CLOEXEC)?);
            // That of a supervisor before this one, in the same place.
            this.forget(NOTE);
            this.keep(NOTE, note.as_fd());
            this.note = Some(note);
        }
        Ok(this)
    }

    /// What systemd hands back; `None` where that is nothing.
    pub(super) fn take() -> io::Result<Option<Estate>> {
        let mut descriptors: BTreeMap<String, OwnedFd> = inherited::take_all(PREFIX)?
            .into_iter()
            .map(|(name, descriptor)| (name.trim_start_matches(PREFIX).into(), descriptor))
            .collect();
        let Some(note) = descriptors.remove(NOTE) else {
            return Ok(None);
        };
        let (mut file, mut note) = (File::from(note), String::new());
        file.rewind()?;
        file.read_to_string(&mut note)?;
        Ok((!note.is_empty()).then_some(Estate { descriptors, note }))
    }

    /// Stores a descriptor. Serving does not depend on it.
    pub(super) fn keep(&mut self, name: &str, descriptor: BorrowedFd<'_>) {
        if self.note.is_none() && name != NOTE {
            return;
        }
        if self.names.contains(name) {
            // The service manager would hold both, and hand back either.
            self.forget(name);
        }
        let full = format!("{PREFIX}{name}");
        let store = [NotifyState::FdStore, NotifyState::FdName(&full)];
        if let Err(error) = sd_notify::notify_with_fds(&store, &[descriptor]) {
            debug!("cannot store {name} with the service manager: {error}");
        }
        self.names.insert(name.into());
    }

    /// Removes a descriptor.
    pub(super) fn forget(&mut self, name: &str) {
        if self.note.is_none() && name != NOTE {
            return;
        }
        let full = format!("{PREFIX}{name}");
        if let Err(error) =
            sd_notify::notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(&full)])
        {
            debug!("cannot remove {name} from the service manager: {error}");
        }
        self.names.remove(name);
    }

    /// Writes the note.
    pub(super) fn note(&self, text: &str) {
        let Some(note) = &self.note else {
            return;
        };
        let write = || -> io::Result<()> {
            // Whoever reads a half of it refuses it: it is JSON.
            note.set_len(0)?;
            note.write_all_at(text.as_bytes(), 0)
        };
        if let Err(error) = write() {
            debug!("cannot write the note for the next supervisor: {error}");
        }
    }

    /// Removes everything: the end of serving.
    pub(super) fn clear(mut self) {
        for name in std::mem::take(&mut self.names) {
            self.forget(&name);
        }
    }
}
