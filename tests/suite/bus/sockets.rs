//! The sockets of the embedded bus: private, and gone in the end.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};

use harness::{Client, Clients, Sticky};
use serde_json::json;

use super::{WORKERS, fetch, ids, one_at_each_slot, patient};

/// The bus's own among the files of a running supervisor, in order.
fn sockets(sticky: &Sticky) -> Vec<String> {
    let directory = sticky.control().parent().unwrap();
    let metadata = fs::metadata(directory).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o700);
    assert_eq!(metadata.uid(), rustix::process::geteuid().as_raw());
    let files = fs::read_dir(directory).unwrap().map(|file| file.unwrap());
    let sockets = files.filter(|file| file.file_type().unwrap().is_socket());
    let names = sockets.map(|file| file.file_name().into_string().unwrap());
    super::sorted(names.filter(|name| name.starts_with("bus")))
}

fn assert_all_hear_each_other(sticky: &Sticky) {
    let clients = Clients::new();
    let all = one_at_each_slot(sticky, &clients);
    for client in &all {
        assert_eq!(fetch(client, json!({})), ids(&all));
    }
    all.iter().for_each(Client::assert_well);
}

#[test]
fn they_are_private_and_stale_ones_hinder_nobody() {
    let expected: Vec<_> = (0..WORKERS).map(|slot| format!("bus-{slot}.sock")).collect();
    let mut killed = patient().start();
    assert_eq!(sockets(&killed), expected);
    killed.kill_all();
    assert_eq!(sockets(&killed), expected, "who is killed cannot tidy up");

    let fewer = (WORKERS - 1).to_string();
    let next = patient().with("--control", killed.control()).start();
    assert_all_hear_each_other(&next);
    next.stop();
    // In the same place again, after a graceful end: nothing is there.
    let last = patient().with("--control", killed.control()).with("--workers", fewer).start();
    assert_eq!(sockets(&last), expected[..expected.len() - 1]);
    last.stop();
}

#[test]
fn a_stale_socket_of_a_slot_that_is_no_more() {
    let mut killed = patient().start();
    killed.kill_all();
    let fewer = (WORKERS - 1).to_string();
    let next = patient().with("--control", killed.control()).with("--workers", fewer).start();
    next.stop();
}
