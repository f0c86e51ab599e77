//! Where log lines go: standard error, one line each.

use clap::Args;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use sticky_worker::throttle::Throttle;

use crate::output::{self, Log};

/// Options of everything that logs.
#[derive(Debug, Args)]
pub(super) struct LogArgs {
    /// The least important messages that are shown: error, warn, info, debug, trace or off
    #[arg(long, value_name = "LEVEL", default_value = "info", env = "STICKY_LOG")]
    log: LevelFilter,
}

impl LogArgs {
    /// At most `lines` warnings or errors from one place are shown in 5 s, and then how many more there
    /// were.
    pub(super) fn init(&self, lines: u64) {
        // A second call, as in a test of this crate, keeps the first log.
        let _ = tracing_subscriber::fmt()
            // Nothing waits for the reader of the log.
            .with_writer(|| Log(output::stderr()))
            .with_max_level(self.log)
            .with_target(false)
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .finish()
            .with(Throttle::of(lines))
            .try_init();
    }

    /// The option for the workers, which log like their supervisor.
    pub(super) fn level(&self) -> String {
        self.log.to_string()
    }
}
