//! Another program in the place of the running one, in the same process.
//!
//! The program is tried first: it has to say that it understands the options and what is left to
//! it. Then the process becomes it (`execve`), with the pid, the children and the terminal that it
//! had, and takes over from the keeper as after a crash. What ran before comes along as a
//! descriptor: if the new program cannot go on, it goes back.

use std::convert::Infallible;
use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::execve;
use rustix::io::{FdFlags, fcntl_setfd};
use tracing::error;

use super::Error;
use crate::launch::THIS_BINARY;
use crate::{causes, output};
use sticky_contract::variable;
use sticky_sys::inherited::{self, Descriptors};

/// Tells a program that it was gone back to, and why.
const ROLLED_BACK: &str = "STICKY_ROLLED_BACK";
/// What a program says that can take over, followed by its version.
pub(crate) const ANSWER: &str = "sticky can take over, version ";
/// How long the last lines of the log may take. All else waits for that, but workers; where somebody
/// reads, it is no time.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Why another program does not take over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum UpgradeError {
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
pub(crate) fn own_path() -> Result<PathBuf, UpgradeError> {
    let path = env::current_exe().map_err(UpgradeError::Unknown)?;
    // How the kernel names a file that was replaced.
    let text = path.to_string_lossy();
    Ok(text.strip_suffix(" (deleted)").map_or_else(|| path.clone(), PathBuf::from))
}

/// Whether this process was another program before, and its workers go on.
pub(crate) fn is_one() -> bool {
    env::var_os(ROLLED_BACK).is_some() || env::var_os(inherited::BEFORE).is_some()
}

/// Becomes another program, with the arguments of this one. Returns only when that fails; then this
/// process is as it was.
pub(super) fn become_program(program: &Path) -> io::Error {
    let before = match File::open(THIS_BINARY) {
        Ok(before) => before,
        Err(error) => return error,
    };
    let place = format!("{}:{}", std::process::id(), before.as_raw_fd());
    // Under the number that it has: under another, it could take the place of what is in use here.
    match fcntl_setfd(&before, FdFlags::empty()) {
        Ok(()) => execute(program, inherited::BEFORE, place.into()),
        Err(error) => error.into(),
    }
}

/// Becomes `program`, started as this process was, with one more variable. Returns only when that
/// fails.
///
/// [`Command::exec`](std::os::unix::process::CommandExt::exec) would change how this process takes
/// signals also when it fails.
fn execute(program: &Path, name: &str, value: OsString) -> io::Error {
    // What this program has to say is lost with it.
    output::flush(LAST_WORDS);
    let text = |text: OsString| CString::new(text.into_vec()).map_err(io::Error::other);
    let executed = || -> io::Result<Infallible> {
        let program = text(program.into())?;
        let arguments = env::args_os().map(text).collect::<io::Result<Vec<_>>>()?;
        let passed = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", variable::FDS];
        let ours = passed.into_iter().chain([inherited::BEFORE, ROLLED_BACK]);
        let ours: Vec<&OsStr> = ours.map(OsStr::new).collect();
        let variables = env::vars_os().filter(|(name, _)| !ours.contains(&name.as_os_str()));
        let variables = variables.chain([(name.into(), value)]).map(|(mut variable, value)| {
            variable.push("=");
            variable.push(value);
            text(variable)
        });
        let variables = variables.collect::<io::Result<Vec<_>>>()?;
        Ok(execve(&program, &arguments, &variables)?)
    };
    match executed() {
        Err(error) => error,
        Ok(never) => match never {},
    }
}

/// The way back to the program that ran in this process before.
#[derive(Debug)]
pub(super) struct Rollback {
    before: Option<OwnedFd>,
    reason: Option<String>,
}

impl Rollback {
    /// Of the environment that [`become_program`] or [`Rollback::go_back`] made.
    pub(super) fn of_this_process(passed: &mut Descriptors) -> Self {
        let before = passed.take(inherited::BEFORE);
        let reason = env::var_os(ROLLED_BACK).map(|reason| reason.to_string_lossy().into());
        Self { before, reason }
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
        let program = format!("/proc/self/fd/{}", before.as_raw_fd());
        Err(execute(program.as_ref(), ROLLED_BACK, reason.into()))
    }
}
