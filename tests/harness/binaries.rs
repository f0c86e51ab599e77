//! Where the programs under test are.

use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use crate::rights::{NOBODY, User};

/// The `sticky` binary.
pub fn sticky() -> PathBuf {
    built("sticky", "sticky-user")
}

/// The `sticky` binary where `user` can execute it. Who is not us may not enter the folder that it
/// was built in, and gets a copy in `folder`, which becomes theirs.
pub(crate) fn sticky_for(user: User, folder: &Path) -> PathBuf {
    if user == User::Same {
        return sticky();
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("the folder is ours");
    chown(folder, Some(NOBODY), Some(NOBODY)).expect("root may give it away");
    let copy = folder.join("sticky");
    // By another process: what this one has open for writing, a child of another thread may have
    // open for a moment too, and the kernel executes no such file.
    let install = Command::new("install").args(["-m", "755"]).arg(sticky()).arg(&copy).status();
    assert!(install.is_ok_and(|status| status.success()), "no copy at {}", copy.display());
    copy
}

/// A shell script in `folder`, as a program.
pub fn script(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("script");
    // By another process, as above.
    let mut install = Command::new("install");
    install.args(["-m", "755", "/dev/stdin"]).arg(&path).stdin(Stdio::piped());
    let mut install = install.spawn().expect("install is installed");
    let mut stdin = install.stdin.take().expect("stdin is a pipe");
    stdin.write_all(format!("#!/bin/sh\n{text}\n").as_bytes()).expect("it reads");
    drop(stdin);
    assert!(install.wait().is_ok_and(|status| status.success()), "no {}", path.display());
    path
}

/// The example of `examples/`.
pub fn greeter() -> PathBuf {
    built("greeter", "greeter")
}

/// A worker built on sticky's library: `POST /echo` answers with the body, and `/whoami`.
pub fn test_worker() -> PathBuf {
    built("sticky-test-worker", "sticky-tests")
}

/// A Socket.IO server whose clients can ask for everything that the adapter does.
pub fn conformance() -> PathBuf {
    built("sticky-conformance", "sticky-tests")
}

/// A program of `tests/workers/`.
pub fn worker_script(name: &str) -> PathBuf {
    existing(Path::new(env!("CARGO_MANIFEST_DIR")).join("workers").join(name))
}

pub(crate) fn client_script(name: &str) -> PathBuf {
    existing(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name))
}

/// The folder of this test binary is `deps` in the one that cargo puts binaries into.
fn built(name: &str, package: &str) -> PathBuf {
    let here = env::current_exe().expect("this test binary has a path");
    let binary = here.ancestors().nth(2).expect("target/PROFILE/deps/suite").join(name);
    assert!(binary.is_file(), "no {}; build it: cargo build -p {package}", binary.display());
    binary
}

fn existing(path: PathBuf) -> PathBuf {
    assert!(path.is_file(), "no {}", path.display());
    path
}
