//! Becoming another program.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::super::trial;
use super::super::upgrade::{self, UpgradeError};
use super::{Fleet, FleetEvent, Phase};
use crate::{causes, steering};

/// Another program was asked whether it can take over.
#[derive(Debug)]
pub(super) struct Trial {
    program: PathBuf,
    result: Result<String, UpgradeError>,
    answer: oneshot::Sender<String>,
}

/// What this process is going to be.
#[derive(Debug)]
pub(super) struct Becoming {
    program: PathBuf,
    answer: oneshot::Sender<String>,
    pub(super) until: Instant,
    /// What only this process had is put down, and the keeper is to take all that was noted.
    put_down: bool,
}

/// How long connections that were accepted may take to get on their way to a worker.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the keeper may take to take everything. A keeper that takes nothing is replaced in this time.
const KEEPING: Duration = Duration::from_secs(10);

impl Fleet<'_> {
    /// Lets another program show that it can take over; the result comes as [`FleetEvent::Tried`].
    pub(super) fn begin_upgrade(
        &mut self,
        program: Option<PathBuf>,
        answer: oneshot::Sender<String>,
    ) {
        if self.phase != Phase::Serving || !self.announced {
            let refused = "the workers are starting or ending; nothing is upgraded";
            let _ = answer.send(refused.into());
            return;
        }
        if self.is_changing() {
            let refused = "a reload or an upgrade is going on; wait until it is over";
            let _ = answer.send(refused.into());
            return;
        }
        let program = match program.map_or_else(upgrade::own_path, Ok) {
            Ok(program) => program,
            Err(error) => return no_upgrade(answer, &causes::on_one_line(&error)),
        };
        let note = serde_json::to_string(&self.manifest()).unwrap_or_default();
        let events = self.events.clone();
        let cancelled = self.trial.insert(CancellationToken::new()).clone();
        tokio::spawn(async move {
            let tried = program.clone();
            let trial = async move { trial::try_out(&tried, &note, &cancelled).await };
            // In a task of its own: a fault there would keep every later upgrade from being tried.
            let result = tokio::spawn(trial).await.unwrap_or_else(|fault| {
                Err(UpgradeError::Execute(program.clone(), std::io::Error::other(fault)))
            });
            // Nobody to tell: the supervisor itself is ending.
            let _ = events.send(FleetEvent::Tried(Trial { program, result, answer }));
        });
    }

    /// Gets ready to become the program, if it can take over.
    pub(super) fn tried(&mut self, Trial { program, result, answer }: Trial) {
        self.trial = None;
        match result {
            _ if self.phase != Phase::Serving => no_upgrade(answer, "the server is ending"),
            _ if self.reload.is_some() => {
                no_upgrade(answer, "a reload was begun meanwhile; wait until it is over");
            }
            Ok(version) => {
                info!("upgrade: becoming {}, version {version}", program.display());
                self.closing = Some(self.parts.steering.pause());
                let until = Instant::now() + PATIENCE;
                self.becoming = Some(Becoming { program, answer, until, put_down: false });
            }
            Err(error) => no_upgrade(answer, &causes::on_one_line(&error)),
        }
    }

    /// What only this process had is put down, or cannot be.
    pub(super) fn put_down(&mut self, mut becoming: Becoming, done: Result<(), steering::Error>) {
        if let Err(error) = done {
            return self.go_on(becoming, &error.to_string());
        }
        becoming.put_down = true;
        becoming.until = Instant::now() + KEEPING;
        self.becoming = Some(becoming);
        self.note();
        self.parts.handover.ping();
    }

    /// The keeper has taken everything: the next program finds it there.
    pub(super) fn settled(&mut self) {
        if let Some(becoming) = self.becoming.take_if(|becoming| becoming.put_down) {
            let failure = upgrade::become_program(&becoming.program);
            self.go_on(becoming, &failure.to_string());
        }
    }

    /// It takes too long to become another program.
    pub(super) fn becomes_too_late(&mut self, becoming: Becoming) {
        self.closing = None;
        let why = if becoming.put_down {
            "the keeper does not take what the new program needs"
        } else {
            "a worker does not take the connections that it was passed"
        };
        self.go_on(becoming, why);
    }

    /// Whatever there is of an upgrade: the server is ending.
    pub(super) fn cancel_upgrade(&mut self) {
        if let Some(trial) = &self.trial {
            trial.cancel();
        }
        if let Some(becoming) = self.becoming.take() {
            no_upgrade(becoming.answer, "the server is ending");
        }
    }

    /// Nothing comes of becoming another program.
    fn go_on(&mut self, becoming: Becoming, why: &str) {
        if let Err(error) = self.parts.steering.unpause() {
            error!("{}", causes::on_one_line(&error));
        }
        no_upgrade(becoming.answer, why);
    }
}

fn no_upgrade(answer: oneshot::Sender<String>, why: &str) {
    error!("no upgrade: {why}; this program goes on");
    // The client may have gone.
    let _ = answer.send(why.into());
}
