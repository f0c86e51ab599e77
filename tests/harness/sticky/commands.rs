//! What is asked of a running supervisor.

use std::path::Path;
use std::sync::atomic::Ordering;

use super::{Ended, Sticky};
use crate::{Cli, wait_until};

impl Sticky {
    /// `sticky reload`, to its end.
    pub fn reload(&self) -> Ended {
        self.command("reload").run()
    }

    /// `sticky upgrade` to the program that runs already, to its end.
    pub fn upgrade(&self) -> Ended {
        self.count_announcement(self.command("upgrade").run())
    }

    /// `sticky upgrade` to another program, to its end.
    pub fn upgrade_to(&self, program: impl AsRef<Path>) -> Ended {
        let command = self.command("upgrade").args(["--program".as_ref(), program.as_ref()]);
        self.count_announcement(command.run())
    }

    /// `sticky stop`, to its end.
    pub fn stop_command(&self) -> Ended {
        self.command("stop").run()
    }

    /// A command for this supervisor.
    pub fn command(&self, name: &str) -> Cli {
        Cli::new([name, "--control"]).args([self.control()])
    }

    /// The processes that serve, slot by slot.
    pub fn workers(&self) -> Vec<u32> {
        let slots = self.status().slots;
        slots.iter().map(|slot| slot.pid.expect("the slot has a worker")).collect()
    }

    /// The process that keeps the sockets for the next supervisor.
    pub fn keeper(&self) -> u32 {
        let processes = self.processes();
        let keeper = processes.iter().find(|process| process.contains(" keep"));
        let pid = keeper.and_then(|keeper| keeper.split(' ').next()?.parse().ok());
        pid.unwrap_or_else(|| panic!("no keeper among {processes:#?}"))
    }

    /// Waits until none of the processes in `before` is there any more and all slots are served,
    /// and tells by whom.
    pub fn wait_for_other_workers(&self, before: &[u32]) -> Vec<u32> {
        wait_until("all workers are replaced", || {
            let slots = self.status().slots;
            let replaced = slots.iter().all(|slot| {
                let gone = slot.pid.is_some_and(|pid| !before.contains(&pid));
                gone && slot.other_pid.is_none() && slot.state == "ready"
            });
            replaced.then(|| slots.iter().filter_map(|slot| slot.pid).collect())
        })
    }

    /// A program that goes on, the new one or the old one after it, says that it serves.
    fn count_announcement(&self, ended: Ended) -> Ended {
        if ended.code == Some(0) || ended.stderr.contains("went back") {
            self.announcements.fetch_add(1, Ordering::Relaxed);
        }
        ended
    }
}
