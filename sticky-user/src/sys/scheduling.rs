//! How the kernel schedules a thread.

use std::io;

/// Lets the calling thread wait for its turn instead of displacing a thread that runs whenever there
/// is something for it (`SCHED_BATCH`, [sched(7)](https://man7.org/linux/man-pages/man7/sched.7.html)).
/// It needs no right. A thread for which somebody has chosen another policy is left as it is.
pub fn without_displacing() -> io::Result<()> {
    // SAFETY: both concern the calling thread (0) and read no memory but the parameters.
    #[expect(unsafe_code, reason = "no crate wraps the calls for one thread")]
    let result = unsafe {
        match libc::sched_getscheduler(0) {
            libc::SCHED_OTHER => {
                let parameters = libc::sched_param { sched_priority: 0 };
                libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters)
            }
            other => other,
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
