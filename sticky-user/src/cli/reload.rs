//! `sticky reload`: another worker in the place of each.

use std::io::{self, Write};

use sticky_contract::SlotId;

use super::Failure;
use super::target::Target;
use crate::supervisor::progress::Progress;

/// Replace all workers, one after the other, without losing a connection
///
/// Each new worker starts beside the old one; when it is ready the old one finishes what it has. A
/// new worker that does not get ready leaves the old one in place and ends the reload. When the old
/// one has gone, the new one is watched for --restart-window, 1 s at most, before the next slot's
/// turn; one that ends or hangs meanwhile, or takes no connections for 5 s while some wait, stops the
/// reload too. SIGHUP to the supervisor does the same.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    target: Target,

    /// Print JSON, a line for each step
    #[arg(long)]
    json: bool,
}

/// The reload did not come to its end.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error("slot {slot} was not reloaded: {why}; the workers of the slots after it are untouched")]
    Failed { slot: SlotId, why: String },
    #[error(
        "the reload was stopped: the new worker of slot {slot} {why}; {left} slots keep the workers \
         that they had"
    )]
    Stopped { slot: SlotId, why: String, left: usize },
    #[error("the supervisor ended, or was told to end, before the reload was over")]
    Unfinished,
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let mut end = None;
        self.target.reload(|step| {
            // The reload goes on when nobody reads this.
            let _ = if self.json {
                writeln!(out, "{}", serde_json::to_string(&step).unwrap_or_default())
            } else {
                print(&mut out, &step)
            };
            end = Some(step);
        })?;
        match end {
            Some(Progress::Done { .. }) => Ok(()),
            Some(Progress::Failed { slot, why }) => Err(ReloadError::Failed { slot, why }.into()),
            Some(Progress::Stopped { slot, why, left }) => {
                Err(ReloadError::Stopped { slot, why, left }.into())
            }
            _ => Err(ReloadError::Unfinished.into()),
        }
    }
}

fn print(out: &mut impl Write, step: &Progress) -> io::Result<()> {
    match step {
        Progress::Starting { slot } => writeln!(out, "slot {slot}: a new worker starts"),
        Progress::Serving { slot, pid: Some(pid) } => {
            writeln!(out, "slot {slot}: worker {pid} serves, the old one finishes")
        }
        Progress::Serving { slot, pid: None } => writeln!(out, "slot {slot}: a new worker serves"),
        Progress::Replaced { slot } => writeln!(out, "slot {slot}: done"),
        Progress::Done { workers } => writeln!(out, "all {workers} workers have been replaced"),
        // Said as an error.
        Progress::Failed { .. } | Progress::Stopped { .. } => Ok(()),
    }
}
