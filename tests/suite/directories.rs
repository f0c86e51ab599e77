//! Root acts in directories that nobody else can change, and refuses to be led elsewhere.

use std::fs::{self, Permissions};
use std::os::unix::fs::{
    FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown, lchown, symlink,
};
use std::path::Path;
use std::process::Command;

use harness::http::get;
use harness::rights::{NOBODY, Right, missing};
use harness::{Mode, Sticky, StickyOptions, addresses_of_slot, binaries};
use serde_json::{Value, json};
use tempfile::TempDir;

in_every_mode!(workers_of_another_user_cannot_change_their_directory);

const WORKERS: u32 = 3;
const PYTHON: &str = "/usr/bin/python3";
const PASSABLE: u32 = 0o711;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn folder(mode: u32) -> TempDir {
    let folder = TempDir::with_prefix("sticky-test-").unwrap();
    set_mode(folder.path(), mode);
    folder
}

fn as_nobody(mode: Mode, folder: &Path) -> StickyOptions {
    let control = folder.join("run/control.sock");
    Sticky::new(mode, WORKERS).with("--user", "nobody").with("--control", control)
}

fn mode_and_user(path: &Path) -> (u32, u32) {
    let found = fs::symlink_metadata(path).unwrap();
    (found.mode() & 0o7777, found.uid())
}

fn workers_of_another_user_cannot_change_their_directory(mode: Mode) {
    if missing(Right::Root) {
        return;
    }
    let folder = folder(PASSABLE);
    let script = folder.path().join("swapper.py");
    fs::copy(binaries::worker_script("swapper.py"), &script).unwrap();
    set_mode(&script, 0o755);
    let sticky = as_nobody(mode, folder.path()).worker([PYTHON.into(), script]).start();
    let directory = folder.path().join("run-workers");
    assert_eq!(mode_and_user(&directory), (PASSABLE, 0));
    let sockets: Vec<_> = fs::read_dir(&directory).unwrap().map(|it| it.unwrap()).collect();
    assert_eq!(sockets.len(), 2 * WORKERS as usize, "two for each worker: {sockets:?}");
    for socket in sockets {
        assert!(socket.file_type().unwrap().is_socket());
        assert_eq!(mode_and_user(&socket.path()), (0o600, NOBODY), "its workers' alone");
    }
    let expected = json!({
        "list": "EACCES", "remove": ["EACCES"], "rename": ["EACCES"], "link": "EACCES",
        "mode": "EPERM", "connect": ["done"],
    });
    for slot in 0..WORKERS {
        let client = addresses_of_slot(slot, WORKERS, 1)[0];
        let (_, answer) = get(client, sticky.address(), "/").unwrap();
        assert_eq!(serde_json::from_str::<Value>(&answer).unwrap(), expected);
    }
    sticky.stop();
    assert!(!directory.exists());
}

#[test]
fn a_way_that_another_user_can_change() {
    if missing(Right::Root) {
        return;
    }
    let theirs = folder(0o755);
    chown(theirs.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let of_all = folder(0o777);
    let of_a_group = folder(0o770);
    let with_link = folder(0o1777);
    let link = with_link.path().join("link");
    let mine = folder(0o700);
    symlink(mine.path(), &link).unwrap();
    lchown(&link, Some(NOBODY), Some(NOBODY)).unwrap();
    for wrong in [theirs.path(), of_all.path(), of_a_group.path(), &link] {
        let control = wrong.join("run/control.sock");
        let ended = Sticky::new(Mode::Cbpf, WORKERS).with("--control", &control).spawn().ended();
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        for words in [wrong.to_str().unwrap(), "could lead root elsewhere", "--control"] {
            assert!(ended.stderr.contains(words), "{}", ended.stderr);
        }
        assert_eq!(fs::read_dir(wrong).unwrap().count(), 0, "nothing was put there");
    }

    // As /tmp is, and by a link of root's own.
    let shared = folder(0o1777);
    let link = shared.path().join("link");
    symlink(mine.path(), &link).unwrap();
    for good in [shared.path(), &link] {
        let control = good.join("run/control.sock");
        Sticky::new(Mode::Cbpf, WORKERS).with("--control", control).start().stop();
    }
    // Where somebody else was faster.
    let run = shared.path().join("run");
    symlink(mine.path(), &run).unwrap();
    let control = run.join("control.sock");
    let ended = Sticky::new(Mode::Cbpf, WORKERS).with("--control", control).spawn().ended();
    assert!(ended.code == Some(1) && ended.stderr.contains("it is no directory"), "{ended:?}");
}

/// It belonged to the workers' user, who may have put anything there.
#[test]
fn a_directory_that_an_earlier_version_left() {
    if missing(Right::Root) {
        return;
    }
    let folder = folder(PASSABLE);
    let secret = folder.path().join("secret");
    fs::write(&secret, "").unwrap();
    set_mode(&secret, 0o600);
    let left = folder.path().join("run-workers");
    fs::create_dir(&left).unwrap();
    set_mode(&left, 0o700);
    for name in ["notify.sock", "bus-0.sock", "notify-0-1.sock"] {
        symlink(&secret, left.join(name)).unwrap();
    }
    chown(&left, Some(NOBODY), Some(NOBODY)).unwrap();
    // By another process: see `binaries::sticky_for`.
    let worker = folder.path().join("worker");
    let install = Command::new("install").arg(binaries::test_worker()).arg(&worker).status();
    assert!(install.unwrap().success());
    let sticky = as_nobody(Mode::Cbpf, folder.path()).worker([worker]).start();
    assert_eq!(mode_and_user(&left), (PASSABLE, 0));
    assert_eq!(mode_and_user(&secret), (0o600, 0), "no link was followed");
    sticky.stop();
    assert!(!left.exists());

    // Somebody else's is not touched.
    fs::create_dir(&left).unwrap();
    chown(&left, Some(NOBODY - 1), None).unwrap();
    let ended = as_nobody(Mode::Cbpf, folder.path()).spawn().ended();
    assert!(ended.code == Some(1) && ended.stderr.contains("belongs to user 65533"), "{ended:?}");
    assert_eq!(mode_and_user(&left).1, NOBODY - 1);
}
