//! A worker that dies again and again is started later each time, and the others serve meanwhile.

use std::fs;

use harness::http::{get, whoami};
use harness::{Mode, Sticky, addresses_of_slot, binaries, wait_until};
use tempfile::TempDir;

in_every_mode!(delays_grow_and_the_others_serve);

const WORKERS: u32 = 3;
const SICK: u32 = 1;

fn delays_grow_and_the_others_serve(mode: Mode) {
    let folder = TempDir::with_prefix("sticky-test-").unwrap();
    let flag = folder.path().join("sick");
    let worker = binaries::worker_script("worker.py");
    let sticky = Sticky::new(mode, WORKERS)
        .with("--restart-delay", "20ms")
        .worker(["python3".into(), worker.into_os_string()])
        .worker_args(["--die-at-slot", "1", "--flag"])
        .worker_args([&flag])
        .start();

    let patient = addresses_of_slot(SICK, WORKERS, 1)[0];
    get(patient, sticky.address(), "/").unwrap();
    // From now on each of its workers dies as soon as it is ready.
    for (failures, delay) in (1..).zip(["20ms", "40ms", "80ms", "160ms"]) {
        let line = sticky.stderr.wait_for_text(&format!("the next one starts in {delay}"));
        assert!(line.contains("WARN") && line.contains("exit code 3"), "{line}");
        assert!(
            line.contains("slot=1") && line.contains(&format!("failures={failures}")),
            "{line}"
        );
    }
    for slot in [0, 2] {
        for client in addresses_of_slot(slot, WORKERS, 20) {
            assert_eq!(whoami(client, sticky.address()).unwrap().slot, slot);
        }
    }
    let restarts = |slot: u32| sticky.status().slots[slot as usize].restarts;
    assert!(restarts(SICK) >= 3);
    assert_eq!((restarts(0), restarts(2)), (0, 0), "the healthy are left alone");

    // Its cause removed, the slot recovers by itself: also for who connects while it has no worker.
    fs::remove_file(&flag).unwrap();
    assert_eq!(whoami(patient, sticky.address()).unwrap().slot, SICK);
    wait_until("its worker remembers the first connection", || flag.exists().then_some(()));
    sticky.stop();
}
