//! How the kernel schedules a thread.

use std::io;

/// The kernel's `struct sched_param`; the libc crate's for musl is another.
#[repr(C)]
struct Parameters {
    priority: libc::c_int,
}

/// Lets the calling thread wait for its turn instead of displacing a thread that runs whenever there
/// is something for it (`SCHED_BATCH`, [sched(7)](https://man7.org/linux/man-pages/man7/sched.7.html)).
/// It needs no right. A thread for which somebody has chosen another policy is left as it is.
///
/// # Errors
///
/// The kernel refuses it: a sandbox may forbid the call.
pub fn without_displacing() -> io::Result<()> {
    const CALLING: libc::pid_t = 0;
    // By their numbers: musl's functions refuse, since these calls concern a thread and not a process.
    // SAFETY: both concern the calling thread and read no memory but the parameters.
    #[expect(unsafe_code, reason = "no crate wraps the calls for one thread")]
    let result = unsafe {
        let policy = libc::syscall(libc::SYS_sched_getscheduler, CALLING);
        if policy == libc::c_long::from(libc::SCHED_OTHER) {
            let parameters = Parameters { priority: 0 };
            let parameters = &raw const parameters;
            libc::syscall(libc::SYS_sched_setscheduler, CALLING, libc::SCHED_BATCH, parameters)
        } else {
            policy
        }
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use procfs::process::Process;

    use super::*;

    #[test]
    fn it_concerns_one_thread() {
        let policy = || {
            let thread = rustix::thread::gettid().as_raw_nonzero().get();
            let task = Process::myself().unwrap().task_from_tid(thread).unwrap();
            task.stat().unwrap().policy
        };
        let before = policy();
        let other = thread::spawn(move || {
            without_displacing().unwrap();
            policy()
        });
        assert_eq!(other.join().unwrap(), Some(libc::SCHED_BATCH.cast_unsigned()));
        assert_eq!(policy(), before);
    }
}
