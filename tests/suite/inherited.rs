//! The descriptors that a process is told to have inherited.

use std::process::Command;

use harness::binaries;

/// The environment names descriptor 3, which is not there: whatever the process opens under that
/// number later is not taken for it.
#[test]
fn what_was_not_passed_is_not_taken() {
    let start = "exec 3<&-; export LISTEN_PID=$$; exec \"$0\" app";
    for (names, says) in [
        ([("LISTEN_FDS", "1"), ("STICKY_FDS", "")], "Bad file descriptor"),
        ([("LISTEN_FDS", "4294967295"), ("STICKY_FDS", "")], "overflow"),
        ([("LISTEN_FDS", "0"), ("STICKY_FDS", "accept-lease:bus")], "no listener was passed"),
    ] {
        let app =
            Command::new("sh").args(["-c", start]).arg(binaries::sticky()).envs(names).output();
        let app = app.unwrap();
        let stderr = String::from_utf8_lossy(&app.stderr);
        assert_eq!(app.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(says), "{stderr}");
    }
}
