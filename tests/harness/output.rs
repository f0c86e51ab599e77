//! What a process says, line by line.

use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use rustix::io::ioctl_fionbio;
use rustix::pipe::pipe;

use crate::DEADLINE;

/// The lines that a process wrote to a pipe.
#[derive(Clone, Debug, Default)]
pub struct Output(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    said: Mutex<Said>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Said {
    lines: Vec<String>,
    ended: bool,
    /// Where nobody reads.
    unread: Option<OwnedFd>,
}

impl Output {
    pub(crate) fn of(pipe: impl Read + Send + 'static) -> Self {
        let output = Self::default();
        let writer = output.clone();
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                writer.change(|said| said.lines.push(line));
            }
            writer.change(|said| said.ended = true);
        });
        output
    }

    /// A pipe that is full, and that nobody reads: its other end.
    pub(crate) fn unread() -> (Self, OwnedFd) {
        let (read, write) = pipe().expect("a pipe");
        ioctl_fionbio(&write, true).expect("it can be made non-blocking");
        while rustix::io::write(&write, &[b'\n'; 4096]).is_ok() {}
        while rustix::io::write(&write, b"\n").is_ok() {}
        ioctl_fionbio(&write, false).expect("it can be made blocking");
        let output = Self::default();
        output.change(|said| (said.ended, said.unread) = (true, Some(read)));
        (output, write)
    }

    /// All that was said so far.
    pub fn text(&self) -> String {
        self.said().lines.join("\n")
    }

    /// The lines so far that contain `text`.
    pub fn lines_with(&self, text: &str) -> Vec<String> {
        self.said().lines.iter().filter(|line| line.contains(text)).cloned().collect()
    }

    /// Waits for a line for which `take` gives something. `None` when no more lines can come.
    pub fn wait_for<T>(&self, what: &str, take: impl Fn(&str) -> Option<T>) -> Option<T> {
        let end = Instant::now() + DEADLINE;
        let mut said = self.said();
        let mut looked_at = 0;
        loop {
            if let Some(found) = said.lines[looked_at..].iter().find_map(|line| take(line)) {
                return Some(found);
            }
            if said.ended {
                return None;
            }
            looked_at = said.lines.len();
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited {DEADLINE:?} in vain for a line: {what}");
            said = self.0.more.wait_timeout(said, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for a line with this text.
    pub fn wait_for_text(&self, text: &str) -> String {
        self.wait_for(text, |line| line.contains(text).then(|| line.to_owned()))
            .unwrap_or_else(|| panic!("ended without a line with {text:?}:\n{}", self.text()))
    }

    /// Waits until every process that holds the pipe has gone.
    pub fn wait_for_end(&self) {
        self.wait_for("its end", |_| None::<()>);
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        // A test that failed while it looked has changed nothing.
        self.0.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Said)) {
        change(&mut self.said());
        self.0.more.notify_all();
    }
}
