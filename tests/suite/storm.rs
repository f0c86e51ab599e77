//! Workers are killed all the time, under load: only what they had accepted is lost.

use std::env;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use harness::http::{connect, read_whoami, send_get};
use harness::{Mode, Sticky, addresses_of_slot, send};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use rustix::process::Signal;

in_every_mode!(a_random_worker_is_killed_twice_a_second);

const WORKERS: u32 = 4;
/// Each has one connection at a time.
const CLIENTS_OF_A_SLOT: u64 = 4;
const PAUSE: Duration = Duration::from_millis(500);

/// What the clients of a slot saw.
#[derive(Debug, Default)]
struct Seen {
    answers: AtomicU64,
    refused: AtomicU64,
    misplaced: AtomicU64,
    lost: AtomicU64,
    /// In milliseconds.
    slowest: AtomicU64,
}

impl Seen {
    fn run(&self, slot: u32, sticky: &Sticky, stop: &AtomicBool) {
        let clients = addresses_of_slot(slot, WORKERS, 300);
        for &client in clients.iter().cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
            let begun = Instant::now();
            let counter = match connect(client, sticky.address()) {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => &self.refused,
                Err(error) => panic!("{client} cannot connect: {error}"),
                Ok(stream) => {
                    match send_get(&stream, "/whoami").and_then(|()| read_whoami(&stream)) {
                        Ok(answer) if answer.slot == slot => &self.answers,
                        Ok(_) => &self.misplaced,
                        // It has a worker, or gets one: whoever waits a minute was forgotten.
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {
                            panic!("{client} was never answered")
                        }
                        Err(_) => &self.lost,
                    }
                }
            };
            counter.fetch_add(1, Ordering::Relaxed);
            let took = u64::try_from(begun.elapsed().as_millis()).unwrap();
            self.slowest.fetch_max(took, Ordering::Relaxed);
        }
    }
}

fn a_random_worker_is_killed_twice_a_second(mode: Mode) {
    let seconds = env::var("STICKY_STORM_SECONDS").map_or(15, |text| text.parse().unwrap());
    // Others do not serve a slot's clients meanwhile: every client has one slot all the time.
    let sticky = Sticky::new(mode, WORKERS)
        .with("--restart-delay", "20ms")
        .with("--failover-after", "off")
        .start();
    let seen: Vec<Seen> = (0..WORKERS).map(|_| Seen::default()).collect();
    let stop = AtomicBool::new(false);
    let kills = thread::scope(|scope| {
        let (sticky, stop) = (&sticky, &stop);
        for (slot, seen) in (0..).zip(&seen) {
            for _ in 0..CLIENTS_OF_A_SLOT {
                scope.spawn(move || seen.run(slot, sticky, stop));
            }
        }
        let kills = kill(sticky, Instant::now() + Duration::from_secs(seconds));
        stop.store(true, Ordering::Relaxed);
        kills
    });

    let sum = |count: fn(&Seen) -> &AtomicU64| -> u64 {
        seen.iter().map(|seen| count(seen).load(Ordering::Relaxed)).sum()
    };
    let slowest = seen.iter().map(|seen| seen.slowest.load(Ordering::Relaxed)).max().unwrap();
    println!(
        "{}: {seconds} s, {} kills, {} requests answered, {} lost, {} refused, {} at a wrong \
         slot; the slowest took {slowest} ms",
        mode.name(),
        kills.iter().sum::<u64>(),
        sum(|seen| &seen.answers),
        sum(|seen| &seen.lost),
        sum(|seen| &seen.refused),
        sum(|seen| &seen.misplaced),
    );
    assert!(kills.iter().sum::<u64>() >= seconds, "{kills:?}");
    for ((slot, seen), kills) in seen.iter().enumerate().zip(kills) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        assert_eq!(count(&seen.refused), 0, "refused by slot {slot}");
        assert_eq!(count(&seen.misplaced), 0, "clients of slot {slot} at another");
        assert!(count(&seen.answers) > 0, "slot {slot} served nobody");
        let in_flight = kills * CLIENTS_OF_A_SLOT;
        assert!(count(&seen.lost) <= in_flight, "slot {slot} lost more than {in_flight}: {seen:?}");
    }
    sticky.stop();
}

/// Tells how many workers of each slot were killed.
fn kill(sticky: &Sticky, until: Instant) -> [u64; WORKERS as usize] {
    // Always the same slots, one after the other.
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut kills = [0; WORKERS as usize];
    while Instant::now() < until {
        let slot = usize::try_from(random.next_u32() % WORKERS).unwrap();
        if let Some(pid) = sticky.status().slots[slot].pid {
            send(pid, Signal::KILL);
            kills[slot] += 1;
        }
        #[expect(clippy::disallowed_methods, reason = "so often they are killed")]
        thread::sleep(PAUSE);
    }
    kills
}
