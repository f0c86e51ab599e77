//! Words in the file of the turn: what a worker leaves to its successor.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use tracing::debug;

/// One word a line. Words are short and hold no line break.
#[derive(Debug)]
pub(crate) struct Words {
    file: Option<Arc<File>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// This worker has left words: those in the file are its own.
    left: bool,
    /// Of the predecessor.
    found: HashSet<String>,
    /// As long was the file when it was read.
    length: u64,
}

impl Words {
    pub(super) fn in_file(file: Option<Arc<File>>) -> Self {
        Self { file, state: Mutex::default() }
    }

    /// Leaves words for the successor. The first time, those of the predecessor go.
    pub(crate) fn leave<'a>(&self, words: impl IntoIterator<Item = &'a str>) {
        let Some(file) = &self.file else { return };
        let mut text = String::new();
        for word in words {
            text.push_str(word);
            text.push('\n');
        }
        let mut state = self.lock();
        let first = !std::mem::replace(&mut state.left, true);
        if let Err(error) = write(file, &text, first) {
            debug!("cannot leave word for the successor: {error}");
        }
    }

    /// Whether the predecessor has left this word. It may do so until it ends.
    pub(crate) fn found(&self, word: &str) -> bool {
        let Some(file) = &self.file else { return false };
        let mut state = self.lock();
        if !state.left
            && let Err(error) = state.read(file)
        {
            debug!("cannot read the words of the predecessor: {error}");
        }
        state.found.contains(word)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn read(&mut self, file: &File) -> io::Result<()> {
        let length = file.metadata()?.len();
        if length == self.length {
            return Ok(());
        }
        let mut text = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_exact_at(&mut text, 0)?;
        let text = String::from_utf8_lossy(&text);
        self.found.extend(text.lines().map(str::to_owned));
        self.length = length;
        Ok(())
    }
}

fn write(mut file: &File, text: &str, first: bool) -> io::Result<()> {
    if first {
        // A predecessor may still be there and write too: neither is to write over the other.
        fcntl_setfl(file, fcntl_getfl(file)? | OFlags::APPEND)?;
        file.set_len(0)?;
    }
    file.write_all(text.as_bytes())
}
