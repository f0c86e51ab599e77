//! A worker that hangs is replaced, and nobody else notices.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use harness::http::{connect, send_get, whoami};
use harness::{Mode, Sticky, addresses_of_slot, binaries, pause, send};
use rustix::process::Signal;

in_every_mode!(an_endless_loop, a_worker_that_is_stopped);

const WORKERS: u32 = 3;
const VICTIM: u32 = 1;

/// Its neighbours answer all the time.
fn an_endless_loop(mode: Mode) {
    let sticky = Sticky::new(mode, WORKERS)
        .with("--watchdog", "2s")
        .worker([binaries::test_worker()])
        .start();
    let before = sticky.worker(VICTIM);
    let replaced = AtomicBool::new(false);
    let served = thread::scope(|scope| {
        let neighbours = [0, 2].map(|slot| {
            let (sticky, replaced) = (&sticky, &replaced);
            scope.spawn(move || {
                let clients = addresses_of_slot(slot, WORKERS, 50);
                let mut served = 0;
                for &client in clients.iter().cycle() {
                    assert_eq!(whoami(client, sticky.address()).unwrap().slot, slot);
                    served += 1;
                    if replaced.load(Ordering::Relaxed) {
                        break;
                    }
                }
                served
            })
        });
        let client = addresses_of_slot(VICTIM, WORKERS, 1)[0];
        let stream = connect(client, sticky.address()).unwrap();
        send_get(&stream, "/hang").unwrap();
        sticky.stderr.wait_for_text("the test worker hangs");
        // Who connects meanwhile waits, and is served by the successor.
        let answer = whoami(client, sticky.address());
        replaced.store(true, Ordering::Relaxed);
        let successor = answer.unwrap();
        assert_eq!(successor.slot, VICTIM);
        assert_ne!(successor.pid, before);
        neighbours.map(|neighbour| neighbour.join().unwrap())
    });
    assert!(served.iter().all(|&served| served > 50), "while it hung: {served:?}");
    for slot in sticky.status().slots {
        assert_eq!(slot.restarts, u64::from(slot.slot == VICTIM), "{slot:?}");
    }
    let log = sticky.stop();
    let line = log.lines().find(|line| line.contains("the worker hangs (no WATCHDOG=1)"));
    let line = line.unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("slot=1") && line.contains(&format!("pid={before}")), "{line}");
    assert!(line.contains("state R"), "an endless loop runs: {line}");
}

/// Also a program that cannot even loop; and one that never said WATCHDOG=1 is left in peace, as
/// are all where the watchdog is off.
fn a_worker_that_is_stopped(mode: Mode) {
    const SILENT: u32 = 2;
    let script = r#"[ "$STICKY_SLOT" = 2 ] && exec python3 "$1"; exec "$0""#;
    let watched = Sticky::new(mode, WORKERS)
        .with("--watchdog", "2s")
        .worker(["sh".into(), "-c".into(), script.into(), binaries::test_worker()])
        .worker_args([binaries::worker_script("worker.py")])
        .start();
    let unwatched = Sticky::new(mode, WORKERS).with("--watchdog", "off").start();

    // These first: what happens to the last would have happened to them before.
    let silent = watched.worker(SILENT);
    pause(silent);
    let free = unwatched.worker(VICTIM);
    pause(free);
    let before = watched.worker(VICTIM);
    pause(before);
    watched.wait_for_successor(VICTIM, before);
    assert_eq!(watched.worker(SILENT), silent);
    assert_eq!(unwatched.worker(VICTIM), free);

    let client = addresses_of_slot(VICTIM, WORKERS, 1)[0];
    let stream = connect(client, unwatched.address()).unwrap();
    send_get(&stream, "/whoami").unwrap();
    for pid in [silent, free] {
        send(pid, Signal::CONT);
    }
    assert_eq!(harness::http::read_whoami(&stream).unwrap().pid, free);
    unwatched.stop();
    let log = watched.stop();
    let line = log.lines().find(|line| line.contains("the worker hangs (no WATCHDOG=1)"));
    assert!(line.is_some_and(|line| line.contains("state T")), "stopped: {log}");
    assert_eq!(log.matches("the worker hangs").count(), 1, "{log}");
}
