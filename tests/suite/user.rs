//! Workers that run as another user: they serve, and can do nothing to the port.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::http::{for_each, get, whoami};
use harness::rights::{NOBODY, Right, User, missing};
use harness::{
    Cli, Clients, Mode, Sticky, StickyOptions, addresses, addresses_of_slot, binaries, digit_slot,
};
use serde_json::Value;

in_every_mode!(a_worker_may_nothing, clients_of_all_workers_hear_each_other);
in_every_kernel_mode!(a_worker_cannot_change_the_steering);

const WORKERS: u32 = 3;
/// What `nobody` can execute, wherever root has another one.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// In a folder that other users may enter.
pub(crate) fn as_nobody(mode: Mode) -> StickyOptions {
    let options = Sticky::new(mode, WORKERS).with("--user", "nobody");
    fs::set_permissions(folder(&options.control()), Permissions::from_mode(0o755)).unwrap();
    options
}

pub(crate) fn folder(control: &Path) -> &Path {
    control.parent().and_then(Path::parent).unwrap()
}

/// A script of `tests/workers/` where `nobody` can read it.
pub(crate) fn script_in(options: &StickyOptions, name: &str) -> PathBuf {
    let copy = folder(&options.control()).join(name);
    fs::copy(binaries::worker_script(name), &copy).unwrap();
    copy
}

fn a_worker_may_nothing(mode: Mode) {
    if missing(Right::Root) {
        return;
    }
    let sticky = as_nobody(mode).start();
    let clients = addresses(100);
    let answers = for_each(&clients, |&client| whoami(client, sticky.address()).unwrap());
    for (&client, answer) in clients.iter().zip(answers) {
        assert_eq!(answer.slot, digit_slot(client, WORKERS), "{client}");
    }
    for slot in 0..WORKERS {
        let pid = sticky.worker(slot);
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let field = |name: &str| -> Vec<&str> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().collect()
        };
        let nobody = NOBODY.to_string();
        assert_eq!(field("Uid:"), vec![&*nobody; 4]);
        assert_eq!(field("Gid:"), vec![&*nobody; 4]);
        assert_eq!(field("Groups:"), Vec::<&str>::new());
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(field(set), ["0000000000000000"], "{set}");
        }
        assert_eq!((field("NoNewPrivs:"), field("Seccomp:")), (vec!["1"], vec!["2"]));
    }
    let directory = sticky.control().parent().unwrap();
    for (path, mode) in [(directory, 0o700), (sticky.control(), 0o600)] {
        let found = fs::metadata(path).unwrap();
        assert_eq!((found.mode() & 0o777, found.uid()), (mode, 0), "{}", path.display());
    }
    sticky.stop();
}

fn clients_of_all_workers_hear_each_other(mode: Mode) {
    if missing(Right::Root) {
        return;
    }
    let options = as_nobody(mode);
    let worker = folder(&options.control()).join("worker");
    // By another process: see `binaries::sticky_for`.
    let install = Command::new("install").arg(binaries::conformance()).arg(&worker).status();
    assert!(install.unwrap().success());
    let sticky = options.worker([worker]).start();
    let clients = Clients::new();
    let all: Vec<_> = (0..WORKERS)
        .map(|slot| {
            let from = addresses_of_slot(slot, WORKERS, 1)[0];
            clients.connect(sticky.address(), from)
        })
        .collect();
    for (number, from) in all.iter().enumerate() {
        from.ask::<()>("emit", serde_json::json!([{}, "said", format!("by {number}")]));
    }
    for client in &all {
        let mut heard: Vec<String> = client.heard("said", all.len());
        heard.sort();
        assert_eq!(heard, ["by 0", "by 1", "by 2"]);
        client.assert_well();
    }
    sticky.stop();
}

/// Neither over the listener that it has, nor by opening another one.
fn a_worker_cannot_change_the_steering(mode: Mode) {
    if missing(Right::Root) {
        return;
    }
    let options = as_nobody(mode);
    let script = script_in(&options, "intruder.py");
    let sticky = options.worker([PathBuf::from(PYTHON), script]).start();
    let clients = addresses(60);
    let answers = for_each(&clients, |&client| get(client, sticky.address(), "/").unwrap().1);
    for (&client, answer) in clients.iter().zip(answers) {
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["slot"], digit_slot(client, WORKERS), "still, for {client}");
        for attempt in ["detach", "attach classic", "attach"] {
            assert_eq!(answer[attempt], "EPERM", "{attempt}");
        }
        // It cannot even ask to share it; `another_user_cannot_join_the_port` is without that.
        assert_eq!(answer["join"], "EPERM");
        // Its own three, what it was passed, and the one that it looks with.
        let descriptors: Vec<String> = serde_json::from_value(answer["open"].clone()).unwrap();
        let passed = 4 + answer["passed"].as_array().unwrap().len();
        assert_eq!(descriptors.len(), passed, "{answer}");
    }
    assert!(sticky.status().foreign_listeners.is_empty());
    sticky.stop();
}

#[test]
fn who_is_not_root_cannot_choose() {
    if missing(Right::Root) {
        return;
    }
    let unknown = Cli::new(["run", "--user", "nobody-of-that-name"]).run();
    assert_eq!(unknown.code, Some(2), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("no user \"nobody-of-that-name\""), "{}", unknown.stderr);

    let options = Sticky::new(Mode::Cbpf, WORKERS).with("--user", "root").user(User::Nobody);
    let refused = options.fail();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("root") && refused.stderr.contains("--user"), "{refused:?}");
}
