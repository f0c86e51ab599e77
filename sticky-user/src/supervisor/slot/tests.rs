use std::time::Duration;

use super::super::backoff::Backoff;
use super::*;

pub(super) const LIMITS: Limits = Limits {
    ready: Duration::from_secs(30),
    drain: Duration::from_secs(10),
    watchdog: Some(Duration::from_secs(5)),
    failover: Some(Duration::from_secs(8)),
    backoff: Backoff {
        first: Duration::from_millis(100),
        most: Duration::from_secs(10),
        window: Duration::from_secs(1),
    },
};

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A slot whose first worker is ready.
pub(super) fn ready(now: Instant) -> Slot {
    let mut slot = Slot::new(LIMITS);
    assert_eq!(slot.on(Event::Start, now), [Action::Spawn(1)]);
    assert_eq!(slot.on(Event::Ready(1), now), []);
    slot
}

#[test]
fn a_worker_that_dies_at_once_is_started_again_later_each_time() {
    let mut now = Instant::now();
    let mut slot = ready(now);
    for (id, delay) in (1..).zip([100, 200, 400, 800]) {
        assert_eq!(slot.on(Event::Gone(id), now), []);
        assert_eq!((slot.name(), slot.deadline()), ("backing-off", Some(now + ms(delay))));
        now += ms(delay);
        assert_eq!(slot.on(Event::Deadline, now), [Action::Spawn(id + 1)]);
        assert_eq!(slot.on(Event::Ready(id + 1), now), []);
    }
    assert_eq!(slot.restarts(), 4);
    assert_eq!(slot.on(Event::Gone(5), now), []);
    assert_eq!(slot.name(), "failed");
    now += ms(1600);
    assert_eq!(slot.on(Event::Deadline, now), [Action::Spawn(6)], "it is tried all the same");
    assert_eq!(slot.on(Event::Ready(6), now), []);
    // Ready for a while: the next failure is a first one.
    now += ms(1000);
    assert_eq!(slot.on(Event::Gone(6), now), []);
    assert_eq!((slot.name(), slot.deadline()), ("backing-off", Some(now + ms(100))));
}

#[test]
fn a_worker_that_never_gets_ready_is_killed_and_followed() {
    let now = Instant::now();
    let mut slot = Slot::new(LIMITS);
    assert_eq!(slot.on(Event::Start, now), [Action::Spawn(1)]);
    let now = now + LIMITS.ready;
    assert_eq!(slot.on(Event::Deadline, now), [Action::Kill(1, Why::NotReady)]);
    assert_eq!(slot.on(Event::Gone(1), now), []);
    assert_eq!(slot.on(Event::Deadline, now + ms(100)), [Action::Spawn(2)]);
}

#[test]
fn a_worker_that_hangs_is_killed_if_it_ever_said_that_it_does_not() {
    let now = Instant::now();
    let mut slot = ready(now);
    assert_eq!(slot.deadline(), None);
    assert_eq!(slot.on(Event::Alive(1), now), []);
    assert_eq!(slot.on(Event::Deadline, now + ms(4999)), []);
    assert_eq!(slot.on(Event::Alive(1), now + ms(4999)), []);
    assert_eq!(slot.deadline(), Some(now + ms(9999)));
    assert_eq!(slot.on(Event::Deadline, now + ms(9999)), [Action::Kill(1, Why::Hung)]);
    assert_eq!(slot.name(), "ending");
}

#[test]
fn a_stop_drains_and_then_kills() {
    let now = Instant::now();
    let mut slot = ready(now);
    let until = now + ms(7);
    assert_eq!(slot.on(Event::Stop(until), now), [Action::Terminate(1)]);
    assert_eq!((slot.name(), slot.deadline()), ("draining", Some(until)));
    assert_eq!(slot.on(Event::Deadline, until), [Action::Kill(1, Why::NotDrained)]);
    assert_eq!(slot.on(Event::Gone(1), until), []);
    assert!(slot.is_stopped());
    assert_eq!(slot.on(Event::Start, until), []);
}

#[test]
fn the_old_worker_drains_when_the_new_one_is_ready() {
    let now = Instant::now();
    let mut slot = ready(now);
    assert_eq!(slot.on(Event::Replace, now), [Action::Spawn(2)]);
    assert_eq!((slot.main(), slot.other()), (Some(1), Some(2)));
    assert_eq!(slot.on(Event::Replace, now), [], "one at a time");
    assert_eq!(slot.on(Event::Ready(2), now), [Action::Terminate(1)]);
    assert_eq!((slot.main(), slot.other(), slot.name()), (Some(2), Some(1), "ready"));
    assert_eq!(slot.on(Event::Gone(1), now), [Action::Replaced]);
    assert_eq!((slot.is_replacing(), slot.restarts(), slot.failures()), (false, 0, 0));
}

#[test]
fn a_new_worker_that_does_not_get_ready_leaves_the_old_one_in_place() {
    let now = Instant::now();
    let mut slot = ready(now);
    assert_eq!(slot.on(Event::Replace, now), [Action::Spawn(2)]);
    assert_eq!(slot.on(Event::Gone(2), now), [Action::NotReplaced]);
    assert_eq!((slot.main(), slot.name(), slot.deadline()), (Some(1), "ready", None));

    assert_eq!(slot.on(Event::Replace, now), [Action::Spawn(3)]);
    let now = now + LIMITS.ready;
    assert_eq!(slot.on(Event::Deadline, now), [Action::Kill(3, Why::NotReady)]);
    assert_eq!(slot.on(Event::Ready(3), now), [], "too late");
    assert_eq!(slot.on(Event::Gone(3), now), [Action::NotReplaced]);
}

#[test]
fn a_worker_that_dies_while_its_successor_starts_has_one() {
    let now = Instant::now();
    let mut slot = ready(now);
    assert_eq!(slot.on(Event::Replace, now), [Action::Spawn(2)]);
    assert_eq!(slot.on(Event::Gone(1), now), []);
    assert_eq!((slot.main(), slot.other(), slot.name()), (Some(2), None, "starting"));
    assert_eq!(slot.on(Event::Ready(2), now), []);
    assert!(slot.is_ready());
}

#[test]
fn others_serve_for_a_slot_that_stays_without_worker_and_it_returns() {
    let start = Instant::now();
    let mut slot = ready(start);
    // Each dies as soon as it is ready.
    let (mut now, mut id, mut away_after) = (start, 1, None);
    while away_after.is_none() {
        assert_eq!(slot.on(Event::Gone(id), now), []);
        while slot.main().is_none() {
            now = slot.deadline().unwrap();
            for action in slot.on(Event::Deadline, now) {
                match action {
                    Action::Spawn(next) => id = next,
                    Action::FailOver => away_after = Some(now - start),
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(slot.on(Event::Ready(id), now), []);
    }
    assert_eq!(away_after, LIMITS.failover);
    assert!(slot.is_away());
    // This one stays.
    assert_eq!(slot.deadline(), Some(now + LIMITS.backoff.window));
    assert_eq!(slot.on(Event::Deadline, now + LIMITS.backoff.window), [Action::Return]);
    assert!(!slot.is_away());
}

#[test]
fn a_worker_is_not_taken_for_hung_by_a_supervisor_that_was_late() {
    let now = Instant::now();
    let mut slot = ready(now);
    assert_eq!(slot.on(Event::Alive(1), now), []);
    // It could not look earlier, and nobody knows whether the worker could run.
    let late = now + ms(8000);
    assert_eq!(slot.on(Event::Deadline, late), []);
    assert_eq!(slot.deadline(), Some(late + ms(5000)));
    assert_eq!(slot.on(Event::Deadline, late + ms(5000)), [Action::Kill(1, Why::Hung)]);
}
