//! Another worker in the place of each, while clients are at work.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use harness::http::{connect, read_answer, read_whoami, send_get, whoami};
use harness::{Crowd, Ended, Mode, Sticky, addresses_of_slot, binaries, send, wait_until};
use rustix::process::Signal;
use tempfile::TempDir;

in_every_mode!(
    nobody_notices_ten_in_a_row,
    sighup_does_the_same,
    a_worker_that_does_not_get_ready_leaves_the_old_one,
    one_at_a_time,
    a_release_that_dies_when_it_is_ready_stops_it,
    a_release_that_hangs_when_it_is_ready_stops_it,
    a_release_that_takes_nothing_stops_it,
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

fn one_at_a_time(mode: Mode) {
    let folder = TempDir::with_prefix("sticky-test-").unwrap();
    let gate = folder.path().join("gate");
    fs::write(&gate, "").unwrap();
    let sticky = Sticky::new(mode, WORKERS)
        .worker([binaries::worker_script("gated.sh")])
        .env("GATE", &gate)
        .env("STICKY_BINARY", binaries::sticky())
        .start();
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

/// A server whose next workers are of a release that fails after it has said READY=1.
struct Release {
    sticky: Sticky,
    flag: PathBuf,
    before: Vec<u32>,
    _folder: TempDir,
}

impl Release {
    fn start(mode: Mode) -> Self {
        let folder = TempDir::with_prefix("sticky-test-").unwrap();
        let flag = folder.path().join("fault");
        fs::write(&flag, "").unwrap();
        let sticky = Sticky::new(mode, WORKERS)
            .with("--watchdog", "500ms")
            .worker(["python3".into(), binaries::worker_script("release.py")])
            .worker_args([binaries::sticky(), flag.clone()])
            .start();
        Self { before: sticky.workers(), sticky, flag, _folder: folder }
    }

    fn fails(&self, fault: &str) -> Ended {
        fs::write(&self.flag, fault).unwrap();
        self.sticky.reload()
    }

    /// Only the first slot has another worker, which the next release mends.
    fn has_stopped(self, reload: &Ended, why: &str) {
        let Ended { code, stdout, stderr } = reload;
        assert_eq!(*code, Some(1), "{stdout}");
        assert!(stdout.starts_with("slot 0: a new worker starts") && !stdout.contains("slot 1"));
        for part in ["the reload was stopped: the new worker of slot 0", why, "1 slots keep"] {
            assert!(stderr.contains(part), "{part:?}: {stderr}");
        }
        let [first, second] = [0, 1].map(|slot| addresses_of_slot(slot, WORKERS, 1)[0]);
        let address = self.sticky.address();
        assert_eq!(whoami(second, address).unwrap().pid, self.before[1], "the rest is untouched");

        fs::write(&self.flag, "").unwrap();
        // One that hangs without a word is nobody's to end.
        if let Some(pid) = self.sticky.status().slots[0].pid {
            send(pid, Signal::KILL);
        }
        let served = whoami(first, address).unwrap();
        assert!(served.slot == 0 && served.pid != self.before[0]);
        self.sticky.wait_for_successor(0, self.before[0]);
        assert_eq!(self.sticky.reload().code, Some(0), "nothing is left of the one that failed");
        self.sticky.wait_for_other_workers(&self.before);
        self.sticky.stop();
    }
}

fn a_release_that_dies_when_it_is_ready_stops_it(mode: Mode) {
    let release = Release::start(mode);
    let reload = release.fails("dies");
    release.has_stopped(&reload, "ended with exit code 7 after it had said READY=1");
}

fn a_release_that_hangs_when_it_is_ready_stops_it(mode: Mode) {
    let release = Release::start(mode);
    let reload = release.fails("is silent");
    release.has_stopped(&reload, "hangs: it no longer says WATCHDOG=1");
}

fn a_release_that_takes_nothing_stops_it(mode: Mode) {
    let release = Release::start(mode);
    let over = AtomicBool::new(false);
    let (address, clients) = (release.sticky.address(), addresses_of_slot(0, WORKERS, 50));
    let reload = thread::scope(|scope| {
        // Somebody comes all the time; who waits for the release that hangs is left waiting.
        let visits = scope.spawn(|| {
            let mut waiting = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let stream = connect(clients[waiting.len() % 50], address).unwrap();
                send_get(&stream, "/whoami").unwrap();
                if release.sticky.worker(0) != release.before[0] || read_whoami(&stream).is_err() {
                    waiting.push(stream);
                }
            }
        });
        let reload = release.fails("hangs");
        over.store(true, Ordering::Relaxed);
        visits.join().unwrap();
        reload
    });
    release.has_stopped(&reload, "takes no connections");
}

/// The one that was to be replaced dies before the new one is ready.
fn an_old_worker_that_dies_meanwhile_is_replaced(mode: Mode) {
    let folder = TempDir::with_prefix("sticky-test-").unwrap();
    let gate = folder.path().join("gate");
    fs::write(&gate, "").unwrap();
    let sticky = Sticky::new(mode, WORKERS)
        .worker([binaries::worker_script("gated.sh")])
        .env("GATE", &gate)
        .env("STICKY_BINARY", binaries::sticky())
        .start();
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
    let client = addresses_of_slot(0, WORKERS, 1)[0];
    let mut held = connect(client, sticky.address()).unwrap();
    let head =
        "POST /echo HTTP/1.1\r\nHost: sticky\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n";
    held.write_all(head.as_bytes()).unwrap();
    let mut goes_on = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    held.read_exact(&mut goes_on).unwrap();
    sticky.signal(Signal::HUP);
    wait_until("slot 0 has a successor", || {
        let slot = &sticky.status().slots[0];
        (slot.state == "ready" && slot.other_pid == Some(before[0])).then_some(())
    });

    sticky.kill_supervisor();
    sticky.start_again();
    sticky.stderr.wait_for_text("the workers of the supervisor that was killed are replaced");
    let successors = sticky.workers();
    held.write_all(b"x").unwrap();
    assert_eq!(read_answer(&held).unwrap(), (200, "x".into()));
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
