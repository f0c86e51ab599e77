//! What this process may do. A test that may not run says so, and fails where it must run.

use std::env;
use std::ffi::OsStr;
use std::io::{Write as _, stderr};
use std::process::Command;

use rustix::process::{Pid, geteuid};
use rustix::thread::{CapabilitySet, capabilities};

/// User and group `nobody`.
pub const NOBODY: u32 = 65534;

/// Set by `cargo xtask test` as root, and in CI.
const REQUIRE_ALL: &str = "STICKY_REQUIRE_ALL";

/// What a test needs of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// To load programs into the kernel.
    Bpf,
    /// To become other users, and to make network namespaces.
    Root,
}

impl Right {
    fn is_there(self) -> bool {
        match self {
            Self::Root => geteuid().is_root(),
            Self::Bpf => {
                capabilities(None).is_ok_and(|have| have.effective.contains(CapabilitySet::BPF))
            }
        }
    }
}

/// Whether a test cannot run for want of a right; then it says so.
///
/// # Panics
/// Where the environment says that every test has to run.
#[must_use]
pub fn missing(right: Right) -> bool {
    if right.is_there() {
        return false;
    }
    skip(&format!("needs the right {right:?}, run the tests as root"));
    true
}

/// What a process may do at this moment.
pub fn effective(pid: u32) -> CapabilitySet {
    let pid = Pid::from_raw(pid.cast_signed()).expect("a process has a number above zero");
    capabilities(Some(pid)).expect("the process is there").effective
}

/// Says that the rest of a test is left out.
///
/// # Panics
/// Where the environment says that every test has to run.
pub fn skip(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(env::var_os(REQUIRE_ALL).is_none(), "{test} {why}, and {REQUIRE_ALL} is set");
    // Not `eprintln`, which the test runner keeps to itself when the test passes.
    let _ = writeln!(stderr(), "SKIPPED: {test} {why}");
}

/// Who runs a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum User {
    /// The user who runs the tests.
    #[default]
    Same,
    /// `nobody`, without any capability.
    Nobody,
    /// `nobody` with `CAP_BPF` alone.
    NobodyWithBpf,
}

impl User {
    /// A command that this user runs.
    pub fn command(self, program: impl AsRef<OsStr>) -> Command {
        if self == Self::Same {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        if self == Self::NobodyWithBpf {
            command.args(["--inh-caps=+bpf", "--ambient-caps=+bpf"]);
        }
        command.arg("--").arg(program);
        command
    }
}
