//! The moment between a supervisor's fork and the worker: what only the new process itself can do.
//!
//! It begins a session, waits until the supervisor has noted it, gives up what the worker is not to have, and
//! becomes the worker. Above it stays the [`guard`], which ends what the worker leaves behind.

pub(crate) mod guard;
mod rights;
mod seccomp;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process;

use nix::sys::signal::SigSet;
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::stdio::dup2_stdin;

pub(crate) use rights::Account;

use crate::step::{Step as _, StepError};
use sticky_contract::variable;
use sticky_sys::{close_range, inherited};

/// The running binary itself, even where its file has been replaced.
pub(crate) const THIS_BINARY: &str = "/proc/self/exe";

/// How to become a worker.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    /// Whether its parent is the worker's [guard], with which it ends.
    pub guarded: bool,
    /// Whether to wait for a byte on standard input first, and to end when there is none.
    pub wait: bool,
    /// The user to become.
    pub account: Option<Account>,
    /// The worker's program and its arguments.
    pub command: Vec<OsString>,
}

/// The worker cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LaunchError {
    /// A step before its start failed.
    #[error(transparent)]
    Step(StepError),
    /// The user cannot be taken on.
    #[error(
        "cannot run the worker as another user, which takes root (or CAP_SETUID and CAP_SETGID); \
         start the supervisor as root, or leave out --user"
    )]
    User(#[source] io::Error),
    /// The program cannot be executed.
    #[error("cannot execute the worker's command {command:?}; check its path and permissions")]
    Execute {
        /// Its path.
        command: OsString,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Launch {
    /// Becomes the worker. Returns only when that fails.
    pub(crate) fn run(self) -> LaunchError {
        let mut command = self.command.iter();
        let program = command.next().cloned().unwrap_or_default();
        if let Err(error) = self.prepare(program == THIS_BINARY) {
            return error;
        }
        let pid = process::id().to_string();
        let mut worker = process::Command::new(&program);
        worker
            .arg0(if program == THIS_BINARY { OsStr::new("sticky") } else { &program })
            .args(command)
            .env("LISTEN_PID", &pid);
        if env::var_os("WATCHDOG_USEC").is_some() {
            worker.env("WATCHDOG_PID", &pid);
        }
        LaunchError::Execute { source: worker.exec(), command: program }
    }

    fn prepare(&self, this_binary: bool) -> Result<(), LaunchError> {
        // Ctrl-C at a terminal reaches the supervisor only, which then ends its workers; and no other
        // process can join what the worker leads. A session of its own also keeps the kernel from
        // ending a keeper that is stopped when its supervisor dies (SIGHUP to an orphaned group).
        rustix::process::setsid().step("begin a session")?;
        // The supervisor blocks its signals, and that is inherited.
        let unblocked = SigSet::all().thread_unblock();
        unblocked.step("let signals through")?;
        if self.wait {
            wait().step("wait for the supervisor")?;
        }
        close_range::close_on_exec(inherited::FIRST.unsigned_abs() + passed())
            .step("close what the worker is not to have")?;
        if let Some(account) = &self.account {
            account.take_on().map_err(LaunchError::User)?;
        }
        if this_binary || self.account.is_some() {
            // A capability that `setcap` gave to this file is the supervisor's, not the worker's.
            let refused = rustix::thread::set_no_new_privs(true);
            refused.step("renounce new privileges")?;
        }
        if self.guarded {
            // Without its guard, nothing would end what the worker leaves. Asked for as the worker's user,
            // since a change of the user takes it back.
            let asked = set_parent_process_death_signal(Some(Signal::KILL));
            asked.step("ask to end with the guard")?;
        }
        rights::drop_inherited().step("give up capabilities")?;
        if self.account.is_some() {
            seccomp::protect_the_port().step("protect the port from the worker")?;
        }
        Ok(())
    }
}

impl From<StepError> for LaunchError {
    fn from(error: StepError) -> Self {
        Self::Step(error.with_hint(", so the worker is not started"))
    }
}

/// Until the supervisor says so. When it ends before, nobody would know of the worker.
fn wait() -> io::Result<()> {
    io::stdin().read_exact(&mut [0])?;
    Ok(dup2_stdin(File::open("/dev/null")?)?)
}

/// How many descriptors are for the worker.
fn passed() -> u32 {
    let listen = env::var("LISTEN_FDS").ok().and_then(|count| count.parse().ok()).unwrap_or(0);
    let names = env::var(variable::FDS).unwrap_or_default();
    let further = names.split(':').filter(|name| !name.is_empty()).count();
    listen + u32::try_from(further).unwrap_or(0)
}
