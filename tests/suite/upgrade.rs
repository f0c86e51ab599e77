//! Another program in the place of the supervisor, while clients are at work.

use std::path::Path;
use std::thread;

use harness::{Crowd, Ended, Mode, Sticky, binaries, pause, send};
use rustix::process::Signal;
use tempfile::TempDir;

in_every_mode!(
    nobody_notices_five_in_a_row,
    what_is_no_sticky_does_not_take_over,
    a_program_that_cannot_go_on_goes_back,
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
    pause(keeper);
    let upgrade = thread::scope(|scope| {
        let upgrade = scope.spawn(|| sticky.upgrade_to(binaries::sticky()));
        sticky.stderr.wait_for_text("going back to the program before");
        send(keeper, Signal::CONT);
        upgrade.join().unwrap()
    });
    let why = "cannot take over from the keeper";
    assert_eq!((upgrade.code, upgrade.stdout.as_str()), (Some(1), ""), "{}", upgrade.stderr);
    let went_back = "error: not upgraded: the new program could not go on and went back to the old";
    assert!(upgrade.stderr.starts_with(went_back), "{}", upgrade.stderr);
    assert!(upgrade.stderr.contains(why), "{}", upgrade.stderr);
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
