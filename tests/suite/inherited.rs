//! The descriptors that a process is told to have inherited.

use std::process::{Command, Output};

use harness::binaries;

/// The environment names descriptor 3, which is not there: whatever the process opens under that
/// number later is not taken for it.
#[test]
fn what_was_not_passed_is_not_taken() {
    for (names, says) in [
        ([("LISTEN_FDS", "1"), ("STICKY_FDS", "")], "Bad file descriptor"),
        ([("LISTEN_FDS", "4294967295"), ("STICKY_FDS", "")], "overflow"),
        ([("LISTEN_FDS", "0"), ("STICKY_FDS", "accept-lease:bus")], "no listener was passed"),
    ] {
        assert_refused(&app(&names), says);
    }
}

/// A slot that the server does not have, and numbers that are none.
#[test]
fn a_slot_that_there_is_not_is_an_error() {
    for (slot, workers, says) in [
        ("3", "3", "there is no slot 3: slots are numbered from 0 to 2"),
        ("-1", "3", "this is not the number of a slot: slots are numbered from 0 to 2"),
        ("256", "256", "there is no slot 256: slots are numbered from 0 to 255"),
        ("0", "257", "expected a number of slots, 1 to 256"),
    ] {
        let names = [("LISTEN_FDS", "0"), ("STICKY_SLOT", slot), ("STICKY_WORKERS", workers)];
        assert_refused(&app(&names), says);
    }
}

/// What the reference application says in this environment, without a descriptor 3.
fn app(environment: &[(&str, &str)]) -> Output {
    let start = "exec 3<&-; export LISTEN_PID=$$; exec \"$0\" app";
    let mut app = Command::new("sh");
    app.args(["-c", start]).arg(binaries::sticky()).envs(environment.iter().copied());
    app.output().unwrap()
}

fn assert_refused(app: &Output, says: &str) {
    let stderr = String::from_utf8_lossy(&app.stderr);
    assert_eq!(app.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(says), "{stderr}");
}
