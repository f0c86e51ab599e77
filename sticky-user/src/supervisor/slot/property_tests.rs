//! Random walks through the life of a slot, also from one supervisor to the next.

use std::time::Duration;

use proptest::prelude::*;

use super::tests::{LIMITS, ready};
use super::worker_state::Life;
use super::*;

/// A slot, and the world around it as it is.
struct World {
    slot: Slot,
    now: Instant,
    /// When it began, in milliseconds of the host's clock.
    began: (Instant, u64),
    /// Workers whose process is there.
    there: Vec<WorkerId>,
    /// The greatest id that a worker ever had.
    last: WorkerId,
    begun: bool,
    stopping: bool,
}

/// What happens: numbers count the workers that are there. Seldom the end, after which little does.
fn any_event() -> impl Strategy<Value = Event> {
    let id = 0u64..3;
    prop_oneof![
        20 => Just(Event::Start),
        60 => id.clone().prop_map(Event::Ready),
        60 => id.clone().prop_map(Event::Alive),
        60 => id.prop_map(Event::Gone),
        90 => Just(Event::Deadline),
        60 => Just(Event::Replace),
        1 => Just(Event::Stop(Instant::now())),
        1 => Just(Event::Kill),
    ]
}

fn any_walk() -> impl Strategy<Value = Vec<(Event, u64)>> {
    prop::collection::vec((any_event(), 0u64..12_000), 0..100)
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            slot: Slot::new(LIMITS),
            now,
            began: (now, 1_000_000_000),
            there: Vec::new(),
            last: 0,
            begun: false,
            stopping: false,
        }
    }

    fn clock(&self) -> Clock {
        let (began, moment) = self.began;
        let passed = u64::try_from(self.now.duration_since(began).as_millis()).unwrap();
        Clock::at(self.now, moment + passed)
    }

    fn walk(&mut self, events: Vec<(Event, u64)>) -> Result<(), TestCaseError> {
        events.into_iter().try_for_each(|(event, pause)| self.step(event, pause))
    }

    fn step(&mut self, event: Event, pause: u64) -> Result<(), TestCaseError> {
        self.now += Duration::from_millis(pause);
        let nth = |number: WorkerId| self.there.get(usize::try_from(number).unwrap()).copied();
        let event = match event {
            Event::Ready(number) => nth(number).map(Event::Ready),
            Event::Alive(number) => nth(number).map(Event::Alive),
            Event::Gone(number) => nth(number).map(Event::Gone),
            Event::Stop(_) => Some(Event::Stop(self.now + LIMITS.drain)),
            Event::Deadline => {
                self.slot.deadline().filter(|&at| at <= self.now).map(|_| Event::Deadline)
            }
            event => Some(event),
        };
        event.map_or(Ok(()), |event| self.happens(event))
    }

    fn happens(&mut self, event: Event) -> Result<(), TestCaseError> {
        self.begun |= event == Event::Start;
        self.stopping |= matches!(event, Event::Stop(_) | Event::Kill);
        if let Event::Gone(id) = event {
            self.there.retain(|&worker| worker != id);
        }
        for action in self.slot.on(event, self.now) {
            let slot = &self.slot;
            match action {
                Action::Spawn(id) => {
                    prop_assert!(!self.stopping && id > self.last, "{id} is not new: {slot:?}");
                    self.last = id;
                    self.there.push(id);
                }
                Action::Terminate(id) | Action::Kill(id, _) => {
                    prop_assert!(self.there.contains(&id));
                }
                Action::FailOver => prop_assert!(slot.is_away() && !slot.is_ready()),
                Action::Return => prop_assert!(!slot.is_away() && slot.is_ready()),
                Action::Replaced | Action::NotReplaced => prop_assert!(!slot.is_replacing()),
            }
        }
        // Nothing is due twice.
        let due = self.slot.deadline();
        prop_assert!(event != Event::Deadline || due.is_none_or(|at| at > self.now));
        self.holds()
    }

    /// At most two workers, nobody forgotten, and no slot without a worker that nothing would bring
    /// one to.
    fn holds(&mut self) -> Result<(), TestCaseError> {
        let slot = &self.slot;
        let mut known: Vec<_> = [slot.main(), slot.other()].into_iter().flatten().collect();
        known.sort_unstable();
        self.there.sort_unstable();
        prop_assert_eq!(&known, &self.there);
        prop_assert_eq!(slot.is_stopped(), self.stopping && self.there.is_empty());
        if self.begun && !self.stopping && slot.main().is_none() {
            prop_assert!(slot.deadline().is_some(), "stuck: {:?}", slot);
        }
        Ok(())
    }

    /// Another supervisor goes on after `pause`, in which of the workers only some stay.
    fn taken_over(&mut self, pause: u64, stays: [bool; 2]) {
        let note = serde_json::to_string(&self.slot.note(self.clock())).unwrap();
        self.now += Duration::from_millis(pause);
        let mut stays = stays.into_iter();
        self.there.retain(|_| stays.next().unwrap_or(true));
        let note: Note = serde_json::from_str(&note).unwrap();
        self.slot = Slot::resumed(LIMITS, &note, &self.there, self.clock());
        (self.begun, self.stopping) = (true, false);
    }

    fn serving(&self) -> Option<WorkerId> {
        self.slot.main().filter(|_| self.slot.is_ready())
    }
}

proptest! {
    /// Whatever happens in whatever order.
    #[test]
    fn invariants(events in any_walk()) {
        World::new().walk(events)?;
    }

    /// From any state, with any of the workers gone meanwhile, and on from there.
    #[test]
    fn a_slot_goes_on_under_another_supervisor(
        before in any_walk(),
        pause in prop_oneof![Just(0), 0u64..100_000],
        stays in any::<[bool; 2]>(),
        after in any_walk(),
    ) {
        let mut world = World::new();
        world.walk(before)?;
        let (serving, earlier) = (world.serving(), world.slot.clone());
        world.taken_over(pause, stays);
        world.holds()?;

        let (slot, now) = (&world.slot, world.now);
        prop_assert_eq!(slot.is_away(), earlier.is_away());
        prop_assert_eq!(slot.restarts(), earlier.restarts());
        // The end of a worker that had been ready for a while is a first failure.
        let stayed = [earlier.main(), earlier.other()].iter().flatten().count() == world.there.len();
        prop_assert!(!stayed || slot.failures() == earlier.failures());
        let longest = [LIMITS.ready, LIMITS.drain, LIMITS.backoff.most].into_iter().max();
        prop_assert!(slot.deadline().is_none_or(|at| at <= now + longest.unwrap()));
        if let Some(id) = serving.filter(|id| world.there.contains(id)) {
            prop_assert_eq!(world.serving(), Some(id), "it goes on serving: {:?}", world.slot);
            // Nor is it ended for what the supervisor has missed.
            let due = world.slot.clone().on(Event::Deadline, now);
            prop_assert!(
                !due.iter().any(|action| matches!(action, Action::Kill(it, _) if *it == id)),
                "{:?}: {:?}", due, world.slot
            );
        }
        world.walk(after)?;
    }
}

/// What each of the two workers of a slot was, it is.
#[test]
fn what_two_workers_are_is_noted() {
    let now = Instant::now();
    let clock = Clock::at(now, 1_000_000);
    let resumed =
        |slot: &Slot, there: &[WorkerId]| Slot::resumed(LIMITS, &slot.note(clock), there, clock);
    let mut slot = ready(now);
    assert_eq!(slot.on(Event::Replace, now), [Action::Spawn(2)]);
    // Its successor starts: the replacement goes on.
    let mut goes_on = resumed(&slot, &[1, 2]);
    assert_eq!((goes_on.main(), goes_on.other(), goes_on.is_ready()), (Some(1), Some(2), true));
    assert_eq!(goes_on.on(Event::Ready(2), now), [Action::Terminate(1)]);
    // It serves already, and its predecessor drains, for as long as it was given.
    assert_eq!(slot.on(Event::Ready(2), now), [Action::Terminate(1)]);
    let later = now + Duration::from_secs(7);
    let clock = Clock::at(later, 1_007_000);
    let mut goes_on = Slot::resumed(LIMITS, &slot.note(Clock::at(now, 1_000_000)), &[1, 2], clock);
    assert_eq!((goes_on.main(), goes_on.other(), goes_on.is_ready()), (Some(2), Some(1), true));
    assert!(goes_on.drains(1) && !goes_on.drains(2));
    assert_eq!(goes_on.deadline(), Some(now + LIMITS.drain));
    assert_eq!(goes_on.on(Event::Gone(1), later), [Action::Replaced]);
    assert_eq!(goes_on.on(Event::Replace, later), [Action::Spawn(3)]);
    // Nobody is left: the ids go on all the same.
    let mut nobody = resumed(&slot, &[]);
    assert_eq!((nobody.main(), nobody.failures()), (None, 1));
    let at = nobody.deadline().unwrap();
    assert_eq!(nobody.on(Event::Deadline, at), [Action::Spawn(3)]);
}

#[test]
fn a_worker_that_was_told_to_end_with_its_supervisor_is_followed_at_once() {
    let now = Instant::now();
    let clock = Clock::at(now, 1_000_000);
    let mut slot = ready(now);
    assert_eq!(slot.on(Event::Stop(now + LIMITS.drain), now), [Action::Terminate(1)]);
    let mut goes_on = Slot::resumed(LIMITS, &slot.note(clock), &[1], clock);
    assert_eq!(goes_on.on(Event::Deadline, now), [Action::Spawn(2)]);
    assert_eq!(goes_on.on(Event::Gone(1), now), [Action::Replaced]);
    assert_eq!(goes_on.main(), Some(2));
}

#[test]
fn a_hung_worker_is_noticed_by_the_next_supervisor_too() {
    let now = Instant::now();
    let clock = Clock::at(now, 1_000_000);
    let mut slot = ready(now);
    assert_eq!(slot.on(Event::Alive(1), now), []);
    let mut goes_on = Slot::resumed(LIMITS, &slot.note(clock), &[1], clock);
    assert!(matches!(
        goes_on.main,
        Some(WorkerState { life: Life::Ready { heard: Some(_), .. }, .. })
    ));
    let silent = now + LIMITS.watchdog.unwrap();
    assert_eq!(goes_on.on(Event::Deadline, silent), [Action::Kill(1, Why::Hung)]);
}
