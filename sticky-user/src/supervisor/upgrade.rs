//! Another program in the place of the running one, in the same process.
//!
//! The program is tried first: it has to say that it understands the options and what is left to
//! it. Then the process becomes it (`execve`), with the pid, the children and the terminal that it
//! had, and takes over from the keeper as after a crash. What ran before comes along as a
//! descriptor: if the new program cannot go on, it goes back.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use tracing::error;

use super::Error;
use crate::causes;
use crate::launch::THIS_BINARY;
use crate::sys::inherited;

/// The name of the descriptor of the program that ran before.
const BEFORE: &str = "before";
/// Tells a program that it was gone back to, and why.
const ROLLED_BACK: &str = "STICKY_ROLLED_BACK";
/// What a program says that can take over, followed by its version.
pub const ANSWER: &str = "sticky can take over, version ";

/// Why another program does not take over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// It cannot be executed.
    #[error("cannot execute {}", .0.display())]
    Execute(PathBuf, #[source] io::Error),
    /// It did not say that it can.
    #[error(
        "{} does not say that it can take over: it {said}; is it a `sticky` for this host?",
        .program.display()
    )]
    Refused {
        /// Its path.
        program: PathBuf,
        /// What it said instead.
        said: String,
    },
    /// The program that runs is not found.
    #[error("cannot tell which program runs here; name the new one with --program")]
    Unknown(#[source] io::Error),
}

/// The path that this program was started from, which may be another file by now.
pub fn own_path() -> Result<PathBuf, UpgradeError> {
    let path = env::current_exe().map_err(UpgradeError::Unknown)?;
    // How the kernel names a file that was replaced.
    let text = path.to_string_lossy();
    Ok(text.strip_suffix(" (deleted)").map_or_else(|| path.clone(), PathBuf::from))
}

/// Whether this process was another program before, and its workers go on.
pub fn is_one() -> bool {
    env::var_os(ROLLED_BACK).is_some()
        || env::var_os("LISTEN_FDNAMES").is_some_and(|it| it == BEFORE)
}

/// Asks a program whether it could take over with the arguments of this process. Blocks; the
/// version that it tells.
pub fn try_out(program: &Path, note: &str) -> Result<String, UpgradeError> {
    let failed = |error| UpgradeError::Execute(program.into(), error);
    let mut child = Command::new(program)
        .arg("upgrade-check")
        .arg("--")
        .args(env::args_os().skip(1))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read is judged by what it says.
        let _ = stdin.write_all(note.as_bytes());
    }
    let output = child.wait_with_output().map_err(failed)?;
    let said = String::from_utf8_lossy(&output.stdout);
    match said.trim().strip_prefix(ANSWER) {
        Some(version) if output.status.success() => Ok(version.into()),
        _ => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let first = stderr.lines().next().unwrap_or("nothing");
            let said = format!("ended with {} and said {first:?}", output.status);
            Err(UpgradeError::Refused { program: program.into(), said })
        }
    }
}

/// Becomes another program, with the arguments of this one. Returns only when that fails.
pub(super) fn become_program(program: &Path) -> io::Error {
    let execute = || -> io::Result<Command> {
        let mut command = again(program.as_os_str());
        command
            .env("LISTEN_PID", std::process::id().to_string())
            .env("LISTEN_FDS", "1")
            .env("LISTEN_FDNAMES", BEFORE)
            .fd_mappings(vec![FdMapping {
                parent_fd: File::open(THIS_BINARY)?.into(),
                child_fd: inherited::FIRST,
            }])
            .map_err(io::Error::other)?;
        Ok(command)
    };
    match execute() {
        Ok(mut command) => command.exec(),
        Err(error) => error,
    }
}

/// `program`, as this process was started.
fn again(program: &OsStr) -> Command {
    let mut arguments = env::args_os();
    let mut command = Command::new(program);
    command.arg0(arguments.next().unwrap_or_else(|| OsString::from("sticky"))).args(arguments);
    for passed in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "STICKY_FDS", ROLLED_BACK] {
        command.env_remove(passed);
    }
    command
}

/// The way back to the program that ran in this process before.
#[derive(Debug)]
pub(super) struct Rollback {
    before: Option<OwnedFd>,
    reason: Option<String>,
}

impl Rollback {
    /// Of the environment that [`become_program`] or [`Rollback::go_back`] made.
    pub(super) fn from_env() -> Result<Self, Error> {
        let before = inherited::take(BEFORE).map_err(Error::system("read what was passed"))?;
        let reason = env::var_os(ROLLED_BACK).map(|reason| reason.to_string_lossy().into());
        Ok(Self { before, reason })
    }

    /// Whether this process was a supervisor before.
    pub(super) fn is_upgrade(&self) -> bool {
        self.before.is_some() || self.reason.is_some()
    }

    /// Why this program was gone back to, if it was.
    pub(super) fn reason(&self) -> Option<String> {
        self.reason.clone()
    }

    /// Becomes the program that ran before; returns where there was none.
    pub(super) fn go_back(self, failure: &Error) -> io::Result<()> {
        let Some(before) = self.before else {
            return Ok(());
        };
        let reason = causes::on_one_line(failure);
        error!("cannot go on: {reason}; going back to the program before");
        super::signals::Signals::hold_back()?;
        let program = format!("/proc/self/fd/{}", before.as_raw_fd());
        Err(again(program.as_ref()).env(ROLLED_BACK, reason).exec())
    }
}
