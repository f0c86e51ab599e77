//! Standard error and standard output, each written by a thread of its own: a reader that does not
//! read holds up no supervisor and no worker.
//!
//! What is there of this kind loses what waits when the process becomes another program (`execve`),
//! and does not say what it dropped.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::SigSet;

/// How much may wait to be written, in bytes. What comes then is dropped, and counted.
const ROOM: usize = 1024 * 1024;

static STDERR: OnceLock<Arc<Background>> = OnceLock::new();
static STDOUT: OnceLock<Arc<Background>> = OnceLock::new();

/// Standard error, written in the background from now on.
pub(crate) fn stderr() -> &'static Background {
    STDERR.get_or_init(|| Background::start("sticky-log", io::stderr(), ROOM))
}

/// Standard output, written in the background from now on.
pub(crate) fn stdout() -> &'static Background {
    STDOUT.get_or_init(|| Background::start("sticky-out", io::stdout(), ROOM))
}

/// Says something on standard error, behind what waits there.
pub(crate) fn complain(text: &str) {
    if stderr().running.load(Ordering::Relaxed) {
        stderr().write(text.as_bytes());
    } else {
        // The exit code tells too, where nobody reads this.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

/// Waits until all is written, at most so long.
pub(crate) fn flush(limit: Duration) {
    let until = Instant::now() + limit;
    for background in [&STDERR, &STDOUT].into_iter().filter_map(OnceLock::get) {
        background.flush(until);
    }
}

/// What is written by a thread.
pub(crate) struct Background {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    room: usize,
    running: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    dropped: u64,
    /// Something was taken out and is not written yet.
    writing: bool,
}

impl Background {
    fn start(name: &str, out: impl Write + Send + 'static, room: usize) -> Arc<Self> {
        let waiting = Mutex::new(Waiting::default());
        let (changed, running) = (Condvar::new(), AtomicBool::new(false));
        let this = Arc::new(Self { waiting, changed, room, running });
        let background = Arc::clone(&this);
        let write = move || {
            // They are for the thread that looks after the workers.
            let _ = SigSet::all().thread_block();
            background.work(out);
        };
        // Without a thread (the limit of the user), all is dropped: serving goes on.
        let started = thread::Builder::new().name(name.into()).spawn(write);
        this.running.store(started.is_ok(), Ordering::Relaxed);
        this
    }

    /// Writes a line, or several, as soon as it can.
    pub(crate) fn write(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting.bytes + line.len() > self.room {
            waiting.dropped += 1;
        } else {
            waiting.bytes += line.len();
            waiting.lines.push_back(line.to_vec());
        }
        drop(waiting);
        self.changed.notify_all();
    }

    fn flush(&self, until: Instant) {
        let mut waiting = self.lock();
        while self.running.load(Ordering::Relaxed) && (waiting.writing || !waiting.is_empty()) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(waiting, left);
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn work(&self, mut out: impl Write) {
        loop {
            let mut waiting = self.lock();
            waiting.writing = false;
            self.changed.notify_all();
            while waiting.is_empty() {
                waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            let Waiting { lines, dropped, .. } = std::mem::take(&mut *waiting);
            waiting.writing = true;
            drop(waiting);
            // Serving goes on when nobody reads.
            let _ = write_out(&mut out, &lines, dropped);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.dropped == 0
    }
}

fn write_out(out: &mut impl Write, lines: &VecDeque<Vec<u8>>, dropped: u64) -> io::Result<()> {
    for line in lines {
        out.write_all(line)?;
    }
    if dropped > 0 {
        writeln!(out, "sticky: {dropped} lines are missing here: nobody read them in time")?;
    }
    out.flush()
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background").finish_non_exhaustive()
    }
}

/// For a log: never waits, and never fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Log(pub(crate) &'static Background);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use rustix::pipe::pipe;

    use super::*;

    #[test]
    fn nobody_waits_and_what_is_dropped_is_counted() {
        const LINES: u64 = 100_000;

        let (read, write) = pipe().unwrap();
        let background = Background::start("test", std::fs::File::from(write), 64 * 1024);
        for number in 0..LINES {
            background.write(format!("line {number}\n").as_bytes());
        }
        background.flush(Instant::now());
        let (mut read, mut dropped, mut next) = (BufReader::new(std::fs::File::from(read)), 0, 0);
        while next + dropped < LINES {
            let mut line = String::new();
            read.read_line(&mut line).unwrap();
            match line.trim().strip_prefix("line ") {
                Some(number) => {
                    assert_eq!(number, (next + dropped).to_string(), "in order");
                    next += 1;
                }
                None => dropped += line.split(' ').nth(1).unwrap().parse::<u64>().unwrap(),
            }
        }
        assert!(dropped > 0);
        background.write(b"last\n");
        let mut last = String::new();
        read.read_line(&mut last).unwrap();
        assert_eq!(last, "last\n");
    }
}
