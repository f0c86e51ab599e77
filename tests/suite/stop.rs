//! `sticky stop`.

use harness::{Mode, Sticky};

in_every_mode!(ends_it_and_leaves_nothing);

fn ends_it_and_leaves_nothing(mode: Mode) {
    let mut sticky = Sticky::new(mode, 2).start();
    let stopped = sticky.stop_command();
    assert_eq!((stopped.code, stopped.stderr.as_str()), (Some(0), ""));
    let expected = format!("supervisor {} ends: workers finish what they have", sticky.pid());
    assert_eq!(stopped.stdout, format!("{expected}\nstopped"));
    assert_eq!(sticky.wait().code(), Some(0), "a graceful end is no failure");
    sticky.assert_nothing_left();

    let again = sticky.stop_command();
    assert_eq!((again.code, again.stdout.as_str()), (Some(1), ""));
    let expected = format!("error: no supervisor answers at {}", sticky.control().display());
    assert!(again.stderr.starts_with(&expected), "{}", again.stderr);
}
