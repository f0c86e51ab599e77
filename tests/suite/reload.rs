//! Another worker in the place of each, while clients are at work.

mod release;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::thread;

use harness::http::{connect, read_answer, whoami};
use harness::{Crowd, Ended, Mode, Sticky, addresses_of_slot, binaries, send, wait_until};
use rustix::process::Signal;
use tempfile::TempDir;

in_every_mode!(
    nobody_notices_ten_in_a_row,
    sighup_does_the_same,
    a_worker_that_does_not_get_ready_leaves_the_old_one,
    one_at_a_time,
    an_old_worker_that_dies_meanwhile_is_replaced,
    a_predecessor_that_drains_is_waited_for,
    a_slot_without_a_worker_is_not_passed_over,
);

const WORKERS: u32 = 2;

fn nobody_notices_ten_in_a_row(mode: Mode) {
    const RELOADS: usize = 10;

    let sticky = Sticky::new(mode, WORKERS).start();
    let mut crowd = Crowd::start(&sticky, 1);
    for number in 0..RELOADS {
        // At times while all have sessions, at times while they come back from the one before.
        if number % 2 == 0 {
            crowd.wait_for_all();
        }
        let before = sticky.workers();
        let Ended { code, stdout, stderr } = sticky.reload();
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
        let after = sticky.workers();
        let mut expected = Vec::new();
        for (slot, pid) in after.iter().enumerate() {
            assert!(!before.contains(pid), "slot {slot} is still served by {pid}");
            expected.push(format!("slot {slot}: a new worker starts"));
            expected.push(format!("slot {slot}: worker {pid} serves, the old one finishes"));
            expected.push(format!("slot {slot}: done"));
        }
        expected.push(format!("all {WORKERS} workers have been replaced"));
        assert_eq!(stdout.lines().collect::<Vec<_>>(), expected);
    }
    let seen = crowd.stop_unharmed();
    assert!(
        seen.most_disconnects <= RELOADS as u64,
        "a session is lost once in a reload: {seen:?}"
    );
    for slot in sticky.status().slots {
        assert_eq!((slot.restarts, slot.other_pid), (0, None), "slot {}", slot.slot);
    }
    sticky.stop();
}

fn sighup_does_the_same(mode: Mode) {
    let sticky = Sticky::new(mode, WORKERS).start();
    let mut crowd = Crowd::start(&sticky, 1);
    let before = sticky.workers();
    sticky.signal(Signal::HUP);
    sticky.wait_for_other_workers(&before);
    crowd.wait_for_all();
    crowd.stop_unharmed();
    sticky.stop();
}

fn a_worker_that_does_not_get_ready_leaves_the_old_one(mode: Mode) {
    let folder = TempDir::with_prefix("sticky-test-").unwrap();
    let broken = folder.path().join("broken");
    let worker = format!("[ -e '{}' ] && exit 7; exec \"$0\" app", broken.display());
    let sticky = Sticky::new(mode, WORKERS)
        .worker(["sh", "-c", &worker])
        .worker_args([binaries::sticky()])
        .start();
    let mut crowd = Crowd::start(&sticky, 1);
    let before = sticky.workers();

    fs::write(&broken, "").unwrap();
    let Ended { code, stdout, stderr } = sticky.reload();
    assert_eq!((code, stdout.as_str()), (Some(1), "slot 0: a new worker starts"));
    let reason = "error: slot 0 was not reloaded: its new worker ended with exit code 7 before it \
                  was ready; the old one goes on";
    assert!(stderr.starts_with(reason), "{stderr}");
    assert_eq!(sticky.workers(), before, "the old ones serve");
    for slot in 0..WORKERS {
        let client = addresses_of_slot(slot, WORKERS, 1)[0];
        let pid = whoami(client, sticky.address()).unwrap().pid;
        assert_eq!(pid, before[slot as usize], "slot {slot}");
    }

    fs::remove_file(&broken).unwrap();
    assert_eq!(sticky.reload().code, Some(0), "nothing is left of the one that failed");
    crowd.wait_for_all();
    crowd.stop_unharmed();
    sticky.stop();
}

/// Workers that get ready only while there is a file at `gate`, as now.
fn start_gated(mode: Mode, gate: &Path) -> Sticky {
    fs::write(gate, "").unwrap();
    Sticky::new(mode, WORKERS)
        .worker([binaries::worker_script("gated.sh")])
        .env("GATE", gate)
        .env("STICKY_BINARY", binaries::sticky())
        .start()
}

fn one_at_a_time(mode: Mode) {
    let folder = TempDir::with_prefix("sticky-test-").unwrap();
    let gate = folder.path().join("gate");
    let sticky = start_gated(mode, &gate);
    let before = sticky.workers();

    fs::remove_file(&gate).unwrap();
    sticky.signal(Signal::HUP);
    wait_until("the new worker of slot 0 has been started", || sticky.status().slots[0].other_pid);
    let going_on = "a reload or an upgrade is going on; wait until it is over";
    let reload = sticky.reload();
    assert_eq!((reload.code, reload.stdout.as_str()), (Some(1), ""));
    assert!(reload.stderr.ends_with(&format!("refuses: {going_on}")), "{}", reload.stderr);
    let upgrade = sticky.upgrade();
    assert_eq!((upgrade.code, upgrade.stdout.as_str()), (Some(1), ""));
    assert_eq!(upgrade.stderr, format!("error: not upgraded: {going_on}"));
    assert_eq!(sticky.workers(), before);

    fs::write(&gate, "").unwrap();
    sticky.stderr.wait_for_text("reload: all workers have been replaced");
    assert_ne!(sticky.workers(), before);
    assert_eq!(sticky.reload().code, Some(0), "the one before is over");
    sticky.stop();
}

/// The one that was to be replaced dies before the new one is ready.
fn an_old_worker_that_dies_meanwhile_is_replaced(mode: Mode) {
    let folder = TempDir::with_prefix("sticky-test-").unwrap();
    let gate = folder.path().join("gate");
    let sticky = start_gated(mode, &gate);
    let before = sticky.workers();
    fs::remove_file(&gate).unwrap();
    let reload = thread::scope(|scope| {
        let reload = scope.spawn(|| sticky.reload());
        wait_until("a new worker has been started", || sticky.status().slots[0].other_pid);
        send(before[0], Signal::KILL);
        wait_until("the old one has gone", || {
            (sticky.status().slots[0].pid != Some(before[0])).then_some(())
        });
        fs::write(&gate, "").unwrap();
        reload.join().unwrap()
    });
    assert_eq!(reload.code, Some(0), "{}", reload.stderr);
    sticky.wait_for_other_workers(&before);
    sticky.stop();
}

/// Of an earlier reload, whose supervisor was killed.
fn a_predecessor_that_drains_is_waited_for(mode: Mode) {
    let mut sticky = Sticky::new(mode, WORKERS)
        .with("--drain-timeout", "1h")
        .worker([binaries::test_worker()])
        .start();
    let before = sticky.workers();
    let from = addresses_of_slot(0, WORKERS, 1)[0];
    let mut client = connect(from, sticky.address()).unwrap();
    let head =
        "POST /echo HTTP/1.1\r\nHost: sticky\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n";
    client.write_all(head.as_bytes()).unwrap();
    let mut goes_on = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    client.read_exact(&mut goes_on).unwrap();
    sticky.signal(Signal::HUP);
    wait_until("slot 0 has a successor", || {
        let slot = &sticky.status().slots[0];
        (slot.state == "ready" && slot.other_pid == Some(before[0])).then_some(())
    });

    sticky.kill_supervisor();
    sticky.start_again();
    sticky.stderr.wait_for_text("the workers of the supervisor that was killed are replaced");
    let successors = sticky.workers();
    client.write_all(b"x").unwrap();
    assert_eq!(read_answer(&client).unwrap(), (200, "x".into()));
    sticky.stderr.wait_for_text("reload: all workers have been replaced");
    let after = sticky.workers();
    assert!(after.iter().all(|worker| !before.contains(worker) && !successors.contains(worker)));
    sticky.stop();
}

fn a_slot_without_a_worker_is_not_passed_over(mode: Mode) {
    let folder = TempDir::with_prefix("sticky-test-").unwrap();
    let broken = folder.path().join("broken");
    let worker = format!("[ -e '{}' ] && exit 7; exec \"$0\" app", broken.display());
    let sticky = Sticky::new(mode, WORKERS)
        .with("--restart-delay", "1h")
        .with("--restart-delay-max", "1h")
        .worker(["sh", "-c", &worker])
        .worker_args([binaries::sticky()])
        .start();
    let before = sticky.workers();
    fs::write(&broken, "").unwrap();
    send(before[0], Signal::KILL);
    wait_until("the slot has no worker", || {
        (sticky.status().slots[0].state == "backing-off").then_some(())
    });
    let Ended { code, stderr, .. } = sticky.reload();
    assert_eq!(code, Some(1));
    let why = "slot 0 was not reloaded: its new worker ended with exit code 7";
    assert!(stderr.contains(why), "{stderr}");
    assert_eq!(sticky.worker(1), before[1]);

    fs::remove_file(&broken).unwrap();
    assert_eq!(sticky.reload().code, Some(0));
    sticky.wait_for_other_workers(&before);
    sticky.stop();
}
