//! Which processes may speak for a worker at its notify socket: the kernel tells who sent a message.

use std::collections::VecDeque;

use procfs::process::Process;
use rustix::process::{Pid, getsid};
use tracing::warn;

/// The longest line of parents from a process to the worker that has started it.
const GENERATIONS: usize = 16;
/// How many refused processes are remembered.
const REMEMBERED: usize = 8;
/// How many senders that are not remembered are looked up at a time, which takes reading /proc. What more
/// of them say is not believed.
const LOOKED_UP: u32 = 4;

/// Who may speak for one worker.
#[derive(Debug, Default)]
pub(super) struct NotifyAccess {
    /// Senders that were refused, the last ones last.
    refused: VecDeque<Pid>,
    looked_up: u32,
}

impl NotifyAccess {
    /// Messages are taken in again, after others were served.
    pub(super) fn begin(&mut self) {
        self.looked_up = 0;
    }

    /// Whether `sender` may speak for `worker`.
    pub(super) fn allow(&mut self, sender: Pid, worker: u32) -> bool {
        is_in_session(sender, worker) || self.may_speak(sender, worker, descends)
    }

    fn may_speak(
        &mut self,
        sender: Pid,
        worker: u32,
        descends: impl FnOnce(Pid, u32) -> bool,
    ) -> bool {
        if self.refused.contains(&sender) || self.looked_up >= LOOKED_UP {
            return false;
        }
        self.looked_up += 1;
        if descends(sender, worker) {
            return true;
        }
        if self.refused.is_empty() {
            warn!(
                worker,
                "process {} speaks for the worker, and is none that it has started, or has gone already: \
                 what such processes say is not believed",
                sender.as_raw_nonzero()
            );
        }
        if self.refused.len() >= REMEMBERED {
            self.refused.pop_front();
        }
        self.refused.push_back(sender);
        false
    }
}

/// The worker leads a session, which no process can join that was not born in it: a helper, such as
/// `systemd-notify`, may speak for the worker.
fn is_in_session(sender: Pid, worker: u32) -> bool {
    getsid(Some(sender)).is_ok_and(|leader| leader.as_raw_nonzero().get().cast_unsigned() == worker)
}

/// A helper may have a session of its own.
fn descends(sender: Pid, worker: u32) -> bool {
    let parent = |&pid: &i32| Process::new(pid).and_then(|it| it.stat()).map(|it| it.ppid).ok();
    let line = std::iter::successors(Some(sender.as_raw_nonzero().get()), parent);
    line.take(GENERATIONS).any(|pid| pid.cast_unsigned() == worker)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKER: u32 = 1;

    /// How many of these senders are looked up, of whom none is the worker's.
    fn looked_up(access: &mut NotifyAccess, senders: impl IntoIterator<Item = i32>) -> usize {
        let mut count = 0;
        for sender in senders {
            let look = |_, _| {
                count += 1;
                false
            };
            assert!(!access.may_speak(Pid::from_raw(sender).unwrap(), WORKER, look));
        }
        count
    }

    #[test]
    fn those_that_take_turns_are_looked_up_once() {
        let mut access = NotifyAccess::default();
        let leases = || [1000, 1001, 1002].into_iter().cycle().take(64);
        assert_eq!(looked_up(&mut access, leases()), 3);
        access.begin();
        assert_eq!(looked_up(&mut access, leases()), 0);
    }

    #[test]
    fn few_are_looked_up_at_a_time_however_many_they_are() {
        let mut access = NotifyAccess::default();
        for first in [1000, 2000, 3000] {
            access.begin();
            assert_eq!(looked_up(&mut access, first..first + 64), LOOKED_UP as usize);
        }
        assert_eq!(access.refused.len(), REMEMBERED);
        access.begin();
        assert!(access.may_speak(Pid::from_raw(7).unwrap(), WORKER, |_, _| true));
    }
}
