//! Descriptors that came with the process.
//!
//! First those of `LISTEN_FDS`, as systemd passes them: all of them sockets to accept on, since
//! programs accept on whatever they find there. Right behind them those that `STICKY_FDS` names.
//!
//! The environment tells their numbers, and whether a number is one of them can be known only as long as
//! the process has opened nothing itself: later it may be that of anything. So they are adopted
//! before `main`, once, and handed to `main` as one value.
//!
//! This is for programs. A shared library that is loaded while a process runs (`dlopen`) must not contain
//! this crate: then the numbers may be those of anything.

use std::env;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};

/// The number of the first passed descriptor (`SD_LISTEN_FDS_START`).
pub const FIRST: RawFd = 3;

/// Names of the descriptors behind those of `LISTEN_FDS`, separated by colons.
pub const FURTHER: &str = "STICKY_FDS";

/// Tells, as PID:NUMBER, under which number a process that became another program has left it one
/// descriptor, which [`Descriptors::take`] knows by this name.
pub const BEFORE: &str = "STICKY_BEFORE";

/// The descriptors that were passed to this process.
///
/// ```
/// let mut passed = sticky_sys::inherited::Descriptors::of_this_process().unwrap();
/// assert!(passed.take("listener").is_none(), "nothing was passed to this test");
/// ```
#[derive(Debug, Default)]
pub struct Descriptors {
    listed: Vec<(String, OwnedFd)>,
    further: Vec<(String, OwnedFd)>,
}

/// From before `main` until [`Descriptors::of_this_process`] is called. `None` when the process began
/// without [`AT_START`], or they were taken.
static ADOPTED: Mutex<Option<io::Result<Descriptors>>> = Mutex::new(None);

/// What the C library runs before `main`.
#[expect(unsafe_code, reason = "to be the first in this process that has descriptors")]
// SAFETY: the section holds functions without a result, whose arguments may be left unread. This one
// needs nothing that `main` would set up, and does not panic.
#[unsafe(link_section = ".init_array")]
#[used]
static AT_START: extern "C" fn() = adopt_at_start;

extern "C" fn adopt_at_start() {
    *ADOPTED.lock().unwrap_or_else(PoisonError::into_inner) = Some(adopt());
}

impl Descriptors {
    /// Those of `LISTEN_FDS` (`LISTEN_PID`, `LISTEN_FDNAMES`) and of `STICKY_FDS`, close-on-exec.
    ///
    /// # Errors
    ///
    /// The environment says what is not so, or this is not the first call: a descriptor has one owner.
    pub fn of_this_process() -> io::Result<Self> {
        let adopted = ADOPTED.lock().unwrap_or_else(PoisonError::into_inner).take();
        adopted.unwrap_or_else(|| Err(io::Error::other("they were taken before")))
    }

    /// Takes the descriptor with this name.
    pub fn take(&mut self, name: &str) -> Option<OwnedFd> {
        [&mut self.listed, &mut self.further].into_iter().find_map(|some| {
            let position = some.iter().position(|(given, _)| given == name)?;
            Some(some.swap_remove(position).1)
        })
    }

    /// Takes the only descriptor of `LISTEN_FDS` that is left, whatever its name; `None` when there
    /// is none, or more.
    pub fn take_only(&mut self) -> Option<OwnedFd> {
        if self.listed.len() > 1 {
            return None;
        }
        self.listed.pop().map(|(_, only)| only)
    }

    /// Takes all descriptors of `LISTEN_FDS` whose names begin so.
    pub fn take_all(&mut self, prefix: &str) -> Vec<(String, OwnedFd)> {
        self.listed.extract_if(.., |(name, _)| name.starts_with(prefix)).collect()
    }
}

/// To be called once, before anything else in this process opens a descriptor.
fn adopt() -> io::Result<Descriptors> {
    let listed = sd_notify::listen_fds_with_names()?;
    let first_further = RawFd::try_from(listed.len()).ok().and_then(|many| FIRST.checked_add(many));
    let further = match env::var(FURTHER) {
        // Without any of `LISTEN_FDS`, they are for another process (`LISTEN_PID`).
        Ok(names) if listed.len() > 0 && !names.is_empty() => names,
        _ => String::new(),
    };
    let further = further.split(':').filter(|_| !further.is_empty()).map(str::to_owned);
    let mut further: Vec<_> = (first_further.unwrap_or(FIRST)..).zip(further).collect();
    let taken = |number: &RawFd| further.last().is_some_and(|(last, _)| number <= last);
    let before = before().filter(|number| listed.len() == 0 && !taken(number));
    further.extend(before.map(|number| (number, BEFORE.to_owned())));
    for (number, name) in &further {
        close_on_exec(*number).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("{name:?} is to be descriptor {number}, which is none: {error}"),
            )
        })?;
    }
    Ok(Descriptors {
        listed: listed.map(|(number, name)| (name, own(number))).collect(),
        further: further.into_iter().map(|(number, name)| (name, own(number))).collect(),
    })
}

fn close_on_exec(number: RawFd) -> io::Result<()> {
    // SAFETY: it reads no memory, and a number that is no descriptor is an error.
    #[expect(unsafe_code, reason = "a number from the environment is looked up")]
    let result = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The number that [`BEFORE`] tells this very process, behind those of standard input and output.
fn before() -> Option<RawFd> {
    let told = env::var(BEFORE).ok()?;
    let (pid, number) = told.split_once(':')?;
    let number = number.parse().ok().filter(|&number| number >= FIRST)?;
    (pid.parse() == Ok(std::process::id())).then_some(number)
}

fn own(number: RawFd) -> OwnedFd {
    // SAFETY: it is open, since it was just made close-on-exec, and nobody else owns it: it was there
    // before anything of this process ran, the parent passed it to this very process (LISTEN_PID), and
    // `adopt` runs once, each number in it once. (A library that is loaded while a process runs must
    // not contain this: then other parts of it may own something by now.)
    #[expect(unsafe_code, reason = "a number from the environment becomes a descriptor")]
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    descriptor
}
