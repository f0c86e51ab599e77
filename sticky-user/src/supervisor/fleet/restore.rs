//! What somebody removed while it was in use is made anew: directories, sockets, the lock.

use tracing::{error, info, warn};

use super::{Error, Fleet, Phase};
use crate::causes;
use crate::step::Step as _;

impl Fleet<'_> {
    /// Once in a while.
    pub(super) fn look_at_files(&mut self) {
        if self.phase != Phase::Serving || !self.announced {
            return;
        }
        match self.restore() {
            Ok(()) => self.watch.unrestored = false,
            Err(error) => {
                if !std::mem::replace(&mut self.watch.unrestored, true) {
                    let why = causes::on_one_line(&error);
                    error!("{why}; it was removed, and cannot be made anew: trying again");
                }
            }
        }
        let lost = |runtime: &super::SlotRuntime| {
            runtime.workers.iter().any(|worker| worker.is_lost_to_bus)
        };
        if !self.is_changing() && self.runtimes.values().any(lost) {
            info!("workers whose bus sockets were removed are replaced");
            if let Err(refused) = self.begin_reload() {
                warn!("{refused}");
            }
        }
    }

    /// Makes anew what a worker that is to be started needs.
    pub(super) fn restore_for_a_worker(&mut self) -> Result<(), Error> {
        if self.phase != Phase::Serving {
            return Ok(());
        }
        self.restore()?;
        let run_dir = &self.parts.run_dir;
        let bus = self.parts.bus.as_mut().map(|bus| bus.restore(run_dir)).transpose();
        let slots = bus.step("open the bus sockets anew")?.unwrap_or_default();
        if slots.is_empty() {
            return Ok(());
        }
        warn!(?slots, "the bus sockets of these slots were removed; others are there now");
        for slot in slots {
            for worker in &mut self.runtimes[slot].workers {
                // A worker that does not say how its bus is doing has none.
                worker.is_lost_to_bus = worker.bus.is_some();
            }
        }
        self.entrust_anew(Ok(()));
        Ok(())
    }

    fn restore(&mut self) -> Result<(), Error> {
        let mut renewed = self.parts.run_dir.restore()?;
        if renewed {
            let directory = self.parts.run_dir.control();
            warn!("the directory of {} was removed; there is another", directory.display());
        }
        let run_dir = &self.parts.run_dir;
        if !run_dir.has_control() {
            let control = run_dir.bind_control().and_then(|it| self.parts.control.renew(it));
            control.step("open the control socket anew")?;
            renewed = true;
        }
        for worker in self.runtimes.values_mut().flat_map(|runtime| &mut runtime.workers) {
            if !worker.notify.is_there(run_dir) {
                let restored = worker.notify.restore(run_dir);
                restored.step("open a notify socket anew")?;
                renewed = true;
            }
        }
        let mut replaced = Ok(());
        if !run_dir.has_keeper() {
            // A keeper that the next supervisor does not find is of no use.
            warn!("nobody finds the keeper any more, whose socket was removed; starting another");
            replaced = self.parts.handover.renew(run_dir);
            renewed = true;
        }
        if renewed {
            warn!("sockets in the run directory were removed, and have been opened anew");
            self.entrust_anew(replaced.map_err(Error::from));
        }
        Ok(())
    }

    /// Workers are started all the same where there is no keeper: that is tried again later.
    fn entrust_anew(&mut self, keeper: Result<(), Error>) {
        let entrusted = keeper.and_then(|()| self.entrust());
        self.entrusted(entrusted);
    }
}
