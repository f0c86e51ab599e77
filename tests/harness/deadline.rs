//! Waiting for events.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take. It is for a loaded machine: a test that passes does not wait for it.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// Waits until `event` gives something, and panics with `what` when that takes too long.
pub fn wait_until<T>(what: &str, mut event: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = event() {
            return found;
        }
        assert!(Instant::now() < end, "waited {DEADLINE:?} in vain: {what}");
        #[expect(
            clippy::disallowed_methods,
            reason = "for processes of others, /proc and counters the kernel has no event"
        )]
        thread::sleep(Duration::from_millis(5));
    }
}
