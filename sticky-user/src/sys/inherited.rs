//! Descriptors that came with the process.
//!
//! First those of `LISTEN_FDS`, as systemd passes them: all of them sockets to accept on, since
//! programs accept on whatever they find there. Right behind them those that `STICKY_FDS` names.

use std::env;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::{FdFlags, fcntl_setfd};

/// The number of the first passed descriptor (`SD_LISTEN_FDS_START`).
pub const FIRST: RawFd = 3;

/// Names of the descriptors behind those of `LISTEN_FDS`, separated by colons.
const FURTHER: &str = "STICKY_FDS";

/// Tells, as PID:NUMBER, under which number a process that became another program has left it one
/// descriptor, which [`take`] knows by this name.
pub const BEFORE: &str = "STICKY_BEFORE";

/// What is still there to be taken.
#[derive(Default)]
struct Passed {
    listed: Vec<(String, OwnedFd)>,
    further: Vec<(String, OwnedFd)>,
}

/// `None` before the environment was read.
static PASSED: Mutex<Option<Passed>> = Mutex::new(None);

/// Takes the descriptor with this name (`LISTEN_FDS`, `LISTEN_PID`, `LISTEN_FDNAMES`; `STICKY_FDS`),
/// close-on-exec. Whoever takes it owns it: the next gets `None`.
pub fn take(name: &str) -> io::Result<Option<OwnedFd>> {
    with_passed(|passed| {
        [&mut passed.listed, &mut passed.further].into_iter().find_map(|some| {
            let position = some.iter().position(|(given, _)| given == name)?;
            Some(some.swap_remove(position).1)
        })
    })
}

/// Takes the only descriptor of `LISTEN_FDS` that is left, whatever its name; `None` when there is
/// none, or more.
pub fn take_only() -> io::Result<Option<OwnedFd>> {
    with_passed(|passed| {
        let only = passed.listed.pop()?;
        if passed.listed.is_empty() {
            return Some(only.1);
        }
        passed.listed.push(only);
        None
    })
}

/// Takes all descriptors of `LISTEN_FDS` whose names begin so.
pub fn take_all(prefix: &str) -> io::Result<Vec<(String, OwnedFd)>> {
    let taken = with_passed(|passed| {
        let all = std::mem::take(&mut passed.listed);
        let (taken, left) = all.into_iter().partition(|(name, _)| name.starts_with(prefix));
        passed.listed = left;
        Some(taken)
    })?;
    Ok(taken.unwrap_or_default())
}

fn with_passed<T>(take: impl FnOnce(&mut Passed) -> Option<T>) -> io::Result<Option<T>> {
    let mut passed: MutexGuard<'_, Option<Passed>> =
        PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    let passed = match &mut *passed {
        Some(passed) => passed,
        none => none.insert(adopt()?),
    };
    Ok(take(passed))
}

fn adopt() -> io::Result<Passed> {
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
        // SAFETY: borrowed for this call only, which tells whether it is open.
        #[expect(unsafe_code, reason = "a number from the environment is looked up")]
        let descriptor = unsafe { BorrowedFd::borrow_raw(*number) };
        fcntl_setfd(descriptor, FdFlags::CLOEXEC).map_err(|error| {
            io::Error::new(
                io::Error::from(error).kind(),
                format!("{name:?} is to be descriptor {number}, which is none: {error}"),
            )
        })?;
    }
    Ok(Passed {
        listed: listed.map(|(number, name)| (name, own(number))).collect(),
        further: further.into_iter().map(|(number, name)| (name, own(number))).collect(),
    })
}

/// The number that [`BEFORE`] tells this very process, behind those of standard input and output.
fn before() -> Option<RawFd> {
    let told = env::var(BEFORE).ok()?;
    let (pid, number) = told.split_once(':')?;
    let number = number.parse().ok().filter(|&number| number >= FIRST)?;
    (pid.parse() == Ok(std::process::id())).then_some(number)
}

fn own(number: RawFd) -> OwnedFd {
    // SAFETY: the supervisor passed this number to this very process (LISTEN_PID), it is open (it
    // was just made close-on-exec), and PASSED sees to it that it gets one owner.
    #[expect(unsafe_code, reason = "a number from the environment becomes a descriptor")]
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    descriptor
}
