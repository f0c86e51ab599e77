//! What happens to the fleet, one handler each.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Instant;

use sd_notify::NotifyState;
use tracing::{debug, error, info, warn};

use super::super::notify::Notification;
use super::super::process::Exit;
use super::super::slot::{Event, State};
use super::{Error, Fleet, Phase, Seat, tell_service_manager};

impl Fleet<'_> {
    pub(super) fn exited(&mut self, Exit { slot, status }: Exit) -> Result<(), Error> {
        let how = describe(&status);
        let Some(seat) = self.seats.get_mut(slot as usize) else {
            return Ok(());
        };
        let pid = seat.worker.take().map_or(0, |(process, _)| process.pid);
        seat.bus = None;
        if self.phase == Phase::Starting {
            return Err(match seat.slot.state() {
                State::Ending { .. } => {
                    Error::WorkerNotReady { slot, within: self.settings.ready_timeout }
                }
                _ => Error::WorkerEnded { slot, how },
            });
        }
        self.tell(slot, Event::Gone)?;
        if self.phase == Phase::Serving {
            self.report_restart(slot, pid, &how);
            match self.steering.worker_gone(slot) {
                Ok(true) => warn!(slot, "the worker had shut its listener down; it listens again"),
                Ok(false) => {}
                Err(error) => error!(slot, "cannot repair the slot's listener: {error}"),
            }
        } else {
            info!(slot, pid, "worker {how}");
        }
        Ok(())
    }

    fn report_restart(&self, slot: u32, pid: u32, how: &str) {
        let Some(seat) = self.seats.get(slot as usize) else {
            return;
        };
        let failures = seat.slot.failures();
        let delay = humantime::format_duration(self.settings.backoff.delay(failures));
        warn!(slot, pid, failures, "worker {how}; the next one starts in {delay}");
    }

    pub(super) fn notified(&mut self, notification: &Notification) -> Result<(), Error> {
        let worker = |seat: &Seat| seat.worker.as_ref().map(|(process, _)| process.pid);
        let from = self.seats.iter().position(|seat| worker(seat) == Some(notification.worker));
        let Some(slot) = from.and_then(|slot| u32::try_from(slot).ok()) else {
            debug!(pid = notification.worker, "a message that is from no worker");
            return Ok(());
        };
        if let (Some(seat), Some(bus)) = (self.seats.get_mut(slot as usize), notification.bus) {
            seat.bus = Some(bus);
        }
        if notification.ready {
            if self.phase == Phase::Serving {
                info!(slot, pid = notification.worker, "worker ready");
            }
            self.tell(slot, Event::Ready)?;
        }
        Ok(())
    }

    pub(super) fn deadline_came(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        for slot in self.settings.plan.mapping.slots().iter() {
            let seat = self.seats.get(slot as usize);
            let due = seat.and_then(|seat| seat.slot.deadline()).is_some_and(|at| at <= now);
            if !due {
                continue;
            }
            match seat.map(|seat| seat.slot.state()) {
                Some(State::Starting { .. }) => warn!(slot, "the worker is not ready in time"),
                Some(State::Draining { .. }) => {
                    warn!(slot, "the time to drain is over: the worker is killed");
                }
                _ => {}
            }
            self.tell(slot, Event::Deadline)?;
        }
        Ok(())
    }

    /// The first signal ends gracefully, the second at once.
    pub(super) async fn signalled(&mut self, signal: &'static str) -> Result<(), Error> {
        if self.phase != Phase::Starting && self.phase != Phase::Serving {
            warn!("{signal} again: ending at once");
            self.phase = Phase::Killing;
            return self.tell_all(Event::Kill);
        }
        info!("{signal}: no new connections, workers drain");
        tell_service_manager(NotifyState::Stopping);
        self.phase = Phase::Stopping;
        let closed = tokio::select! {
            closed = tokio::time::timeout(self.settings.drain_timeout, self.steering.close()) => {
                closed
            }
            signal = self.signals.next() => {
                warn!("{signal} again: ending at once");
                self.phase = Phase::Killing;
                return self.tell_all(Event::Kill);
            }
        };
        match closed {
            Ok(Ok(())) => {}
            Ok(Err(error)) => error!("cannot refuse new connections: {error}"),
            Err(_) => warn!("some connections could not be passed to their worker in time"),
        }
        self.tell_all(Event::Stop)
    }
}

fn describe(status: &std::io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("ended with exit code {code}"),
            (None, Some(signal)) => format!("was killed by signal {signal}"),
            (None, None) => format!("ended ({status})"),
        },
        Err(error) => format!("ended, nobody knows how ({error})"),
    }
}
