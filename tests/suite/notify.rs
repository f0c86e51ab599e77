//! Each worker is heard for itself, however much others say, and whatever they say of it.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use harness::{Mode, Sticky, StickyOptions, binaries, pause, send, wait_until};
use rustix::process::Signal;

in_every_mode!(
    a_flood_harms_nobody,
    nobody_speaks_for_another,
    the_next_supervisor_hears_them,
    nothing_is_left_of_a_worker_that_has_gone,
    one_that_keeps_its_socket_is_heard,
);

const WORKERS: u32 = 3;

/// Slot 0 has a worker of sticky's library, the others have speakers of these roles.
fn speakers(mode: Mode, roles: [&str; 2], watchdog: &str) -> StickyOptions {
    let script = r#"case "$STICKY_SLOT" in
        0) exec "$0" ;;
        1) exec python3 "$1" "$2" ;;
        2) exec python3 "$1" "$3" ;;
    esac"#;
    Sticky::new(mode, WORKERS)
        .with("--watchdog", watchdog)
        .worker(["sh".into(), "-c".into(), script.into(), binaries::test_worker()])
        .worker_args([binaries::worker_script("speaker.py")])
        .worker_args(roles)
}

/// Not even when somebody fills the queues that the others say WATCHDOG=1 over.
fn a_flood_harms_nobody(mode: Mode) {
    // Shorter than the flood, and long enough for a machine that is busy with it.
    let sticky = speakers(mode, ["flood", "beat"], "5s").start();
    let workers = sticky.workers();
    sticky.stderr.wait_for_text("the flood is over");
    assert_eq!(sticky.workers(), workers);
    assert!(sticky.status().slots.iter().all(|slot| slot.restarts == 0));
    sticky.stop();
}

fn nobody_speaks_for_another(mode: Mode) {
    let sticky = speakers(mode, ["speak-for-others", "hang"], "2s").start();
    let before = sticky.worker(2);
    sticky.wait_for_successor(2, before);
    let log = sticky.stop();
    let hangs = log.lines().find(|line| line.contains("the worker hangs (no WATCHDOG=1)"));
    assert!(hangs.is_some_and(|line| line.contains("slot=2")), "{log}");
    let told = format!("worker={before}");
    let refused = |line: &&str| line.contains(&told) && line.contains("is not believed");
    assert_eq!(log.lines().filter(refused).count(), 1, "once, however often it does so: {log}");
}

/// Whether the one before was killed or upgraded.
fn the_next_supervisor_hears_them(mode: Mode) {
    let mut sticky = Sticky::new(mode, WORKERS)
        .with("--watchdog", "2s")
        .worker([binaries::test_worker()])
        .start();
    assert_eq!(sticky.upgrade().code, Some(0));
    assert_hears_when_silent(&sticky, 1);

    let orphans = sticky.workers();
    sticky.kill_supervisor();
    sticky.start_again();
    sticky.wait_for_other_workers(&orphans);
    assert_hears_when_silent(&sticky, 1);
    sticky.stop();
}

/// Only of one that was heard before, it is noticed that it is silent.
fn assert_hears_when_silent(sticky: &Sticky, slot: u32) {
    let uptime = || sticky.status().slots[slot as usize].uptime_seconds.unwrap();
    // It says that it lives every second.
    let before = uptime();
    wait_until("it has said that it lives", || (uptime() > before + 2.5).then_some(()));
    let worker = sticky.worker(slot);
    pause(worker);
    sticky.wait_for_successor(slot, worker);
}

fn nothing_is_left_of_a_worker_that_has_gone(mode: Mode) {
    let mut sticky = Sticky::new(mode, WORKERS).start();
    let directory = sticky.control().parent().unwrap().to_path_buf();
    let sockets = || {
        let entries = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap());
        let sockets = entries.filter(|entry| entry.file_type().unwrap().is_socket());
        let names = sockets.map(|entry| entry.file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("notify")).count()
    };
    let keeper = sticky.keeper();
    let kept = || fs::read_dir(format!("/proc/{keeper}/fd")).unwrap().count();
    let before = (sockets(), kept());
    assert_eq!(before.0, WORKERS as usize);
    for _ in 0..3 {
        assert_eq!(sticky.reload().code, Some(0));
    }
    let victim = sticky.worker(1);
    send(victim, Signal::KILL);
    sticky.wait_for_successor(1, victim);
    let as_before = || ((sockets(), kept()) == before).then_some(());
    wait_until("sockets and descriptors are as many as before", as_before);

    // Nor of one that goes while there is no supervisor.
    let workers = sticky.workers();
    sticky.kill_supervisor();
    send(workers[2], Signal::KILL);
    wait_until("the worker has gone", || {
        (!Path::new(&format!("/proc/{}", workers[2])).exists()).then_some(())
    });
    sticky.start_again();
    sticky.wait_for_other_workers(&workers);
    wait_until("sockets and descriptors are as many as before", as_before);
    sticky.stop();
}

/// Whatever somebody removes, and whoever the supervisor is.
fn one_that_keeps_its_socket_is_heard(mode: Mode) {
    let sticky = speakers(mode, ["keep", "keep"], "2s").start();
    let workers = sticky.workers();
    let removed = || {
        for entry in fs::read_dir(sticky.control().parent().unwrap()).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        wait_until("the control socket is there again", || sticky.control().exists().then_some(()));
    };
    removed();
    assert_eq!(sticky.workers(), workers);
    removed();
    assert_eq!(sticky.upgrade().code, Some(0));
    let age = || sticky.status().slots[1].uptime_seconds.unwrap();
    let before = age();
    wait_until("one that was not heard would be killed", || (age() > before + 3.5).then_some(()));
    assert_eq!(sticky.workers(), workers);
    sticky.stop();
}
