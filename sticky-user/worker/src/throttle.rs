//! Log lines that others can provoke, bounded: of warnings and errors from one place in the code, so many
//! are logged, and then how many more there were.
//!
//! ```
//! use sticky_worker::throttle::Throttle;
//! use tracing_subscriber::layer::SubscriberExt;
//! use tracing_subscriber::util::SubscriberInitExt;
//!
//! tracing_subscriber::fmt().finish().with(Throttle::of(Throttle::WORKER)).init();
//! ```

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// How long a stretch is.
const STRETCH: Duration = Duration::from_secs(5);

/// As much of a line is repeated when it is counted, in bytes.
const EXAMPLE: usize = 200;

/// Throttles what is logged of a process, as a layer on its subscriber.
#[derive(Clone, Debug)]
pub struct Throttle {
    lines: u64,
    places: Arc<Mutex<Places>>,
}

#[derive(Debug, Default)]
struct Places {
    by_callsite: HashMap<Identifier, Place>,
    /// A thread will report what was left out.
    reporter: bool,
}

#[derive(Debug)]
struct Place {
    since: Instant,
    lines: u64,
    left_out: u64,
    example: String,
}

impl Throttle {
    /// For a worker.
    pub const WORKER: u64 = 16;

    /// For a supervisor, which has something to say of each of its slots.
    pub const SUPERVISOR: u64 = 512;

    /// As many `lines` from one place, in each stretch of 5 s.
    pub fn of(lines: u64) -> Self {
        Self { lines, places: Arc::default() }
    }

    fn lets_through(&self, event: &Event<'_>, now: Instant) -> bool {
        let mut places = self.lock();
        let place = places
            .by_callsite
            .entry(event.metadata().callsite())
            .or_insert_with(|| Place { since: now, lines: 0, left_out: 0, example: String::new() });
        if place.left_out == 0 && now >= place.since + STRETCH {
            (place.since, place.lines) = (now, 0);
        }
        if place.lines < self.lines {
            place.lines += 1;
            return true;
        }
        if place.left_out == 0 {
            place.example = Example::of(event);
        }
        place.left_out += 1;
        if !places.reporter {
            places.reporter = true;
            let throttle = self.clone();
            // Not a task: the code that logs need not have a runtime.
            let reporter = thread::Builder::new().name("sticky-log".into());
            // Where there is no thread to be had, the count goes on until there is.
            places.reporter = reporter.spawn(move || throttle.tell()).is_ok();
        }
        false
    }

    /// Tells what was left out in this stretch.
    fn tell(&self) {
        #[expect(clippy::disallowed_methods, reason = "that is how long a stretch is")]
        thread::sleep(STRETCH);
        for (left_out, example) in self.left_out() {
            warn!("{left_out} more lines like this one in {} s: {example}", STRETCH.as_secs());
        }
    }

    fn left_out(&self) -> Vec<(u64, String)> {
        let mut places = self.lock();
        places.reporter = false;
        let all = places.by_callsite.values_mut().filter(|place| place.left_out > 0);
        let now = Instant::now();
        all.map(|place| {
            (place.since, place.lines) = (now, 0);
            (std::mem::take(&mut place.left_out), std::mem::take(&mut place.example))
        })
        .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for Throttle {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        // What is left out is told in any case.
        *metadata.level() > Level::WARN
            || metadata.target() == module_path!()
            || self.lets_through(event, Instant::now())
    }
}

/// The beginning of a line.
struct Example(String);

impl Example {
    fn of(event: &Event<'_>) -> String {
        let mut example = Self(String::new());
        event.record(&mut example);
        let Self(mut text) = example;
        let end = (0..=EXAMPLE.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or_default());
        text
    }
}

impl Visit for Example {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // A text can be written to.
            let _ = write!(self.0, "{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn few_are_logged_and_the_rest_is_counted() {
        let lines = Lines::default();
        let writer = lines.clone();
        let throttle = Throttle::of(3);
        throttle.lock().reporter = true;
        let logging = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(logging.with(throttle.clone()), || {
            for number in 0..1000 {
                warn!("number {number} of many");
                tracing::info!("what was asked for");
            }
            for _ in 0..3 {
                tracing::error!("from elsewhere");
            }
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let count = |part: &str| text.matches(part).count();
        assert_eq!((count(" of many"), count("asked for"), count("elsewhere")), (3, 1000, 3));
        assert_eq!(throttle.left_out(), [(997, "number 3 of many".to_string())]);
        assert_eq!(throttle.left_out(), []);
    }
}
