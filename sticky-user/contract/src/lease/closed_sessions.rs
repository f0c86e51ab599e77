//! The ids of sessions that a worker has closed, in the file of the accept lease: the clients of these
//! sessions come to the successor, which tells them to open another.
//!
//! ```text
//! number of the writer (u32), length of what follows (u32), ids, one a line
//! ```
//!
//! The predecessor may be hostile, as may be the one before it: however long the file is and whatever
//! is in it, what is read and remembered of it is bounded.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::debug;

/// The length of the file of the accept lease, in bytes. A supervisor makes it as long; what is not written
/// takes no memory.
pub const FILE_LENGTH: u64 = 4 * 1024 * 1024;
const HEADER: u64 = 8;
/// Read at once.
const PART: u64 = 64 * 1024;
/// Read in all, by one worker: some predecessors write all of it, and several may come and go.
const MOST_READ: u64 = 8 * FILE_LENGTH;
const MOST_IDS: usize = 200_000;
const LONGEST_ID: usize = 64;

/// The sessions that this worker and its predecessor have closed. Ids are short and printable.
#[derive(Debug)]
pub struct ClosedSessions {
    file: Option<Arc<File>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// This worker's number and how much it has written: the ids in the file are its own.
    left: Option<Header>,
    /// Of the predecessor.
    found: HashSet<String>,
    /// Whose ids were read last, and how far.
    seen: Header,
    may_read: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Header {
    writer: u32,
    length: u32,
}

impl ClosedSessions {
    pub(super) fn in_file(file: Option<Arc<File>>) -> Self {
        let state = State {
            left: None,
            found: HashSet::new(),
            seen: Header::default(),
            may_read: MOST_READ,
        };
        Self { file, state: Mutex::new(state) }
    }

    /// Records ids for the successor. The first time, those of the predecessor go.
    pub fn record<'a>(&self, ids: impl IntoIterator<Item = &'a str>) {
        let Some(file) = &self.file else { return };
        let mut state = self.lock();
        if let Err(error) = state.write(file, ids) {
            debug!("cannot tell the successor which sessions were closed: {error}");
        }
    }

    /// Whether the predecessor has recorded this id. It may do so until it ends.
    pub fn contains(&self, id: &str) -> bool {
        let Some(file) = &self.file else { return false };
        let mut state = self.lock();
        if state.left.is_none()
            && let Err(error) = state.read(file)
        {
            debug!("cannot read which sessions the predecessor has closed: {error}");
        }
        state.found.contains(id)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn read(&mut self, file: &File) -> io::Result<()> {
        let header = Header::read(file)?;
        if header.writer != self.seen.writer {
            self.seen = Header { writer: header.writer, length: 0 };
        }
        let end = header.length.min(Header::MOST);
        while self.seen.length < end && self.may_read > 0 && self.found.len() < MOST_IDS {
            let start = u64::from(self.seen.length);
            let mut part = vec![0; usize::try_from(PART.min(u64::from(end) - start)).unwrap_or(0)];
            let length = file.read_at(&mut part, HEADER + start)?;
            let part = part.get(..length).unwrap_or_default();
            // A line is written as a whole. What is none is passed over, as is all that follows.
            let lines = part.iter().rposition(|&byte| byte == b'\n');
            let taken = lines.and_then(|last| part.get(..=last)).unwrap_or_default();
            self.found.extend(taken.split(|&byte| byte == b'\n').filter_map(id));
            self.may_read = self.may_read.saturating_sub(u64::try_from(length).unwrap_or(PART));
            match u32::try_from(taken.len()) {
                Ok(taken) if taken > 0 => self.seen.length += taken,
                _ => self.seen.length = end,
            }
        }
        Ok(())
    }

    fn write<'a>(&mut self, file: &File, ids: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
        let mut header = match self.left {
            Some(header) => header,
            None => Header { writer: Header::read(file)?.writer.wrapping_add(1), length: 0 },
        };
        let mut text = String::new();
        for id in ids {
            if header.length as usize + text.len() + id.len() >= Header::MOST as usize {
                debug!("there is no room for the ids of more closed sessions");
                break;
            }
            text.push_str(id);
            text.push('\n');
        }
        self.left = Some(header);
        // Nobody reads what the header does not tell of.
        file.write_all_at(text.as_bytes(), HEADER + u64::from(header.length))?;
        header.length = header.length.saturating_add(u32::try_from(text.len()).unwrap_or(0));
        header.write(file)?;
        self.left = Some(header);
        Ok(())
    }
}

impl Header {
    /// The greatest length.
    #[expect(clippy::cast_possible_truncation, reason = "of 4 MiB")]
    const MOST: u32 = (FILE_LENGTH - HEADER) as u32;

    /// Zeros where the file is shorter.
    fn read(file: &File) -> io::Result<Self> {
        let mut bytes = [0; 8];
        let _ = file.read_at(&mut bytes, 0)?;
        let [a, b, c, d, rest @ ..] = bytes;
        Ok(Self { writer: u32::from_le_bytes([a, b, c, d]), length: u32::from_le_bytes(rest) })
    }

    /// At once: it is never read by halves.
    fn write(self, file: &File) -> io::Result<()> {
        let both = [self.writer.to_le_bytes(), self.length.to_le_bytes()];
        file.write_all_at(both.as_flattened(), 0)
    }
}

/// A line that is an id.
fn id(line: &[u8]) -> Option<String> {
    let fits = (1..=LONGEST_ID).contains(&line.len()) && line.iter().all(u8::is_ascii_graphic);
    fits.then(|| String::from_utf8_lossy(line).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn two() -> (File, ClosedSessions, ClosedSessions) {
        let file = tempfile::tempfile().unwrap();
        let ids = || ClosedSessions::in_file(Some(Arc::new(file.try_clone().unwrap())));
        let (first, second) = (ids(), ids());
        (file, first, second)
    }

    #[test]
    fn what_does_not_fit_is_not_left() {
        let (file, first, second) = two();
        let many: Vec<String> = (0..300_000).map(|number| format!("{number:020}")).collect();
        first.record(many.iter().map(String::as_str));
        first.record(["one-more"]);
        assert!(file.metadata().unwrap().len() <= FILE_LENGTH);
        assert!(second.contains(&many[0]) && !second.contains("one-more"));
    }

    #[test]
    fn a_hostile_file_is_read_within_bounds() {
        let (file, _, second) = two();
        file.set_len(8 << 40).unwrap();
        for writer in 1..100 {
            Header { writer, length: u32::MAX }.write(&file).unwrap();
            file.write_all_at(&b"x\n".repeat(20_000), HEADER).unwrap();
            assert!(second.contains("x") && !second.contains(""));
        }
        let state = second.lock();
        assert!(state.found.len() == 1 && state.may_read > 0);
    }

    #[test]
    fn many_ids_are_not_remembered() {
        let (file, _, second) = two();
        for writer in 1..9 {
            let many = |number: u32| format!("{writer}-{number}\n");
            let text: String = (0..400_000).map(many).collect();
            file.write_all_at(text.as_bytes(), HEADER).unwrap();
            Header { writer, length: u32::MAX }.write(&file).unwrap();
            second.contains("no");
        }
        assert!((MOST_IDS..MOST_IDS + 65_536).contains(&second.lock().found.len()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_ids_or_passed_over(bytes: Vec<u8>) {
            let (file, first, second) = two();
            file.write_all_at(&bytes, 0).unwrap();
            second.contains("no");
            first.record(["id"]);
            prop_assert!(second.contains("id"));
        }
    }
}
