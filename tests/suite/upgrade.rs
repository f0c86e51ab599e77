//! Another program in the place of the supervisor, while clients are at work.

use std::path::{Path, PathBuf};
use std::thread;

use harness::{Crowd, Ended, Mode, Sticky, binaries, pause, send, wait_until};
use rustix::process::Signal;
use tempfile::TempDir;

in_every_mode!(
    nobody_notices_five_in_a_row,
    what_is_no_sticky_does_not_take_over,
    a_program_that_cannot_go_on_goes_back,
    a_program_that_hangs_is_in_nobodys_way,
    stop_does_not_wait_for_a_program_that_hangs,
    a_program_that_talks_for_ever_is_killed,
    a_program_that_is_outlasted_by_what_it_says,
    a_program_that_cannot_be_executed_any_more,
    a_signal_in_the_moment_of_the_exec,
    a_keeper_that_is_stopped,
);

const WORKERS: u32 = 2;

fn nobody_notices_five_in_a_row(mode: Mode) {
    const UPGRADES: u32 = 5;

    let sticky = Sticky::new(mode, WORKERS).start();
    let mut crowd = Crowd::start(&sticky, 1);
    let workers = sticky.workers();
    for number in 1..=UPGRADES {
        let Ended { code, stdout, stderr } = sticky.upgrade();
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
        let status = sticky.status();
        let version = &status.version;
        let expected =
            format!("supervisor {} upgraded: version {version} -> {version}", sticky.pid());
        assert_eq!(stdout, expected);
        assert_eq!((status.pid, status.takeovers), (sticky.pid(), number));
        assert_eq!(status.rolled_back, None);
        assert_eq!(sticky.workers(), workers, "workers go on");
        crowd.wait_for_all();
    }
    let seen = crowd.stop_unharmed();
    assert!(seen.disconnects.is_empty(), "sessions go on: {:?}", seen.disconnects);

    // The last program has the workers in hand.
    assert_eq!(sticky.reload().code, Some(0));
    sticky.wait_for_other_workers(&workers);
    sticky.stop();
}

fn what_is_no_sticky_does_not_take_over(mode: Mode) {
    let folder = TempDir::with_prefix("sticky-test-").unwrap();
    let missing = folder.path().join("missing");
    let sticky = Sticky::new(mode, WORKERS).start();
    let crowd = Crowd::start(&sticky, 1);
    let workers = sticky.workers();
    let said_nothing = "does not say that it can take over";
    let cannot = "cannot execute";
    for (program, why) in [
        (Path::new("/bin/true"), said_nothing),
        ("/etc/passwd".as_ref(), cannot),
        (&missing, cannot),
    ] {
        let Ended { code, stdout, stderr } = sticky.upgrade_to(program);
        assert_eq!((code, stdout.as_str()), (Some(1), ""));
        assert!(stderr.starts_with("error: not upgraded: "), "{stderr}");
        assert!(stderr.contains(why) && stderr.contains(program.to_str().unwrap()), "{stderr}");
        let status = sticky.status();
        assert_eq!((status.pid, status.takeovers), (sticky.pid(), 0), "the same program");
        assert_eq!(sticky.workers(), workers);
    }
    let seen = crowd.stop_unharmed();
    assert!(seen.disconnects.is_empty(), "sessions go on: {:?}", seen.disconnects);
    assert_eq!(sticky.upgrade().code, Some(0), "nothing is left of those that failed");
    sticky.stop();
}

/// It is as good as the one before; what it needs is kept from it until it has given up.
fn a_program_that_cannot_go_on_goes_back(mode: Mode) {
    let sticky = Sticky::new(mode, WORKERS).start();
    let mut crowd = Crowd::start(&sticky, 1);
    let workers = sticky.workers();
    let keeper = sticky.keeper();
    let folder = TempDir::with_prefix("sticky-test-").unwrap();
    let stopper = program(&folder, &format!("[ \"$1\" = run ] && kill -STOP {keeper}"));
    let upgrade = thread::scope(|scope| {
        let upgrade = scope.spawn(|| sticky.upgrade_to(&stopper));
        sticky.stderr.wait_for_text("going back to the program before");
        send(keeper, Signal::CONT);
        upgrade.join().unwrap()
    });
    let why = "cannot take over from the keeper";
    assert_eq!((upgrade.code, upgrade.stdout.as_str()), (Some(1), ""), "{}", upgrade.stderr);
    let went_back = "error: not upgraded: the new program could not go on and went back to the old";
    assert!(upgrade.stderr.starts_with(went_back), "{}", upgrade.stderr);
    assert!(upgrade.stderr.contains(why), "{}", upgrade.stderr);
    let advice = format!("let it go on (kill -CONT {keeper})");
    assert!(upgrade.stderr.contains(&advice), "{}", upgrade.stderr);
    let status = sticky.status();
    assert_eq!(status.pid, sticky.pid());
    assert!(status.rolled_back.is_some_and(|told| told.contains(why)));
    assert_eq!(sticky.workers(), workers, "workers go on");
    crowd.wait_for_all();

    assert_eq!(sticky.upgrade().code, Some(0), "the next one does");
    assert_eq!(sticky.status().rolled_back, None);
    crowd.wait_for_all();
    let seen = crowd.stop_unharmed();
    assert!(seen.disconnects.is_empty(), "sessions go on: {:?}", seen.disconnects);
    sticky.stop();
}

/// A `sticky` that does something first.
fn program(folder: &TempDir, first: &str) -> PathBuf {
    let text = format!("{first}\nexec {} \"$@\"", binaries::sticky().display());
    binaries::script(folder.path(), &text)
}

fn a_program_that_hangs_is_in_nobodys_way(mode: Mode) {
    let folder = TempDir::with_prefix("sticky-test-").unwrap();
    // With a child that has its outputs open.
    let hangs = program(&folder, "sleep 3600 & sleep 3600");
    let sticky = Sticky::new(mode, WORKERS).start();
    let crowd = Crowd::start(&sticky, 1);
    let workers = sticky.workers();
    thread::scope(|scope| {
        let upgrade = scope.spawn(|| sticky.upgrade_to(&hangs));
        wait_for_trial(&sticky);
        let second = sticky.upgrade();
        assert_eq!(second.code, Some(1));
        assert!(second.stderr.contains("an upgrade is going on"), "{}", second.stderr);
        assert_eq!(sticky.reload().code, Some(0), "meanwhile");
        let Ended { code, stdout, stderr } = upgrade.join().unwrap();
        assert_eq!((code, stdout.as_str()), (Some(1), ""));
        assert!(stderr.contains("did not end within 10s, and was killed"), "{stderr}");
    });
    // Killed with its child, whose end nothing waits for.
    wait_until("nothing of the program is left", || {
        (!sticky.processes().iter().any(|process| process.contains("sleep"))).then_some(())
    });
    sticky.wait_for_other_workers(&workers);
    assert_eq!(sticky.reload().code, Some(0), "afterwards");
    assert_eq!(sticky.upgrade().code, Some(0), "another one does");
    crowd.stop_unharmed();
    sticky.stop();
}

fn wait_for_trial(sticky: &Sticky) {
    wait_until("the program is tried", || {
        sticky.processes().iter().any(|process| process.contains("sleep")).then_some(())
    });
}

fn stop_does_not_wait_for_a_program_that_hangs(mode: Mode) {
    let folder = TempDir::with_prefix("sticky-test-").unwrap();
    let hangs = program(&folder, "sleep 3600 & sleep 3600");
    let mut sticky = Sticky::new(mode, WORKERS).start();
    thread::scope(|scope| {
        let upgrade = scope.spawn(|| sticky.upgrade_to(&hangs));
        wait_for_trial(&sticky);
        assert_eq!(sticky.stop_command().code, Some(0));
        assert_eq!(upgrade.join().unwrap().code, Some(1));
    });
    assert_eq!(sticky.wait().code(), Some(0));
    sticky.assert_nothing_left();
    let log = sticky.stderr.text();
    assert!(log.contains("no upgrade: the server is ending"), "{log}");
}

fn a_program_that_talks_for_ever_is_killed(mode: Mode) {
    let folder = TempDir::with_prefix("sticky-test-").unwrap();
    let sticky = Sticky::new(mode, WORKERS).start();
    for output in ["", ">&2"] {
        let talks = program(&folder, &format!("yes {output}"));
        let Ended { code, stderr, .. } = sticky.upgrade_to(talks);
        assert_eq!(code, Some(1));
        assert!(stderr.contains("said more than 64 KiB, and was killed"), "{stderr}");
    }
    assert_eq!(sticky.upgrade().code, Some(0), "another one does");
    sticky.stop();
}

/// It ends by itself: what it said lies in the pipe, or another process has its output.
fn a_program_that_is_outlasted_by_what_it_says(mode: Mode) {
    let folder = TempDir::with_prefix("sticky-test-").unwrap();
    let sticky = Sticky::new(mode, WORKERS).start();
    // It ends when the other process is out of its group.
    let other = "mkfifo $0.out; setsid sh -c \"echo > $0.out; exec sleep 3600\" & read _ < $0.out";
    for (said, why) in [
        ("head -c 100000 /dev/zero; exit 0", "said more than 64 KiB"),
        (&format!("{other}; exit 0"), "did not end within 10s"),
    ] {
        let Ended { code, stderr, .. } = sticky.upgrade_to(program(&folder, said));
        assert_eq!(code, Some(1));
        assert!(stderr.contains(why), "{stderr}");
    }
    for left in sticky.processes().iter().filter(|process| process.contains("sleep")) {
        send(left.split(' ').next().unwrap().parse().unwrap(), Signal::KILL);
    }
    assert_eq!(sticky.upgrade().code, Some(0), "another one does");
    sticky.stop();
}

/// It was there when it was tried.
fn a_program_that_cannot_be_executed_any_more(mode: Mode) {
    let folder = TempDir::with_prefix("sticky-test-").unwrap();
    let mut sticky = Sticky::new(mode, WORKERS).start();
    let mut crowd = Crowd::start(&sticky, 1);
    let workers = sticky.workers();
    for (first, why) in [("rm \"$0\"", "No such file"), ("chmod -x \"$0\"", "Permission denied")] {
        let Ended { code, stderr, .. } = sticky.upgrade_to(program(&folder, first));
        assert_eq!(code, Some(1));
        assert!(stderr.contains("not upgraded: ") && stderr.contains(why), "{stderr}");
        assert_eq!(sticky.status().takeovers, 0);
        assert_eq!(sticky.workers(), workers);
    }
    crowd.wait_for_all();

    // Nothing of the old one is lost: workers are watched and replaced, another supervisor takes
    // over, and the end is as it is to be.
    send(workers[0], Signal::KILL);
    sticky.wait_for_successor(0, workers[0]);
    assert_eq!(sticky.reload().code, Some(0));
    crowd.wait_for_all();
    let orphans = sticky.workers();
    sticky.kill_supervisor();
    sticky.start_again();
    assert_eq!(sticky.status().takeovers, 1);
    sticky.wait_for_other_workers(&orphans);
    sticky.stderr.wait_for_text("reload: all workers have been replaced");
    assert_eq!(sticky.upgrade().code, Some(0), "another one does");
    sticky.stop();
}

fn a_signal_in_the_moment_of_the_exec(mode: Mode) {
    const ROUNDS: u32 = 10;

    for _ in 0..ROUNDS {
        let mut sticky = Sticky::new(mode, 1).start();
        thread::scope(|scope| {
            scope.spawn(|| sticky.upgrade());
            sticky.stderr.wait_for_text("upgrade: becoming");
            sticky.signal(Signal::TERM);
        });
        assert_eq!(sticky.wait().code(), Some(0));
        sticky.assert_nothing_left();
    }
}

/// It is replaced, and the next program finds everything with the other one.
fn a_keeper_that_is_stopped(mode: Mode) {
    let sticky = Sticky::new(mode, WORKERS).start();
    let mut crowd = Crowd::start(&sticky, 1);
    let workers = sticky.workers();
    pause(sticky.keeper());
    let Ended { code, stdout, stderr } = sticky.upgrade();
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert_eq!(sticky.workers(), workers);
    crowd.wait_for_all();
    crowd.stop_unharmed();
    sticky.stop();
}
