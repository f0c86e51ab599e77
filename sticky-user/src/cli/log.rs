//! Where log lines go: standard error, one line each.

use clap::Args;
use tracing::level_filters::LevelFilter;

use crate::output::{self, Log};

/// Options of everything that logs.
#[derive(Debug, Args)]
pub(super) struct LogArgs {
    /// The least important messages that are shown: error, warn, info, debug, trace or off
    #[arg(long, value_name = "LEVEL", default_value = "info", env = "STICKY_LOG")]
    log: LevelFilter,
}

impl LogArgs {
    pub(super) fn init(&self) {
        // A second call, as in a test of this crate, keeps the first log.
        let _ = tracing_subscriber::fmt()
            // Nobody waits for whoever reads the log.
            .with_writer(|| Log(output::stderr()))
            .with_max_level(self.log)
            .with_target(false)
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init();
    }

    /// The option for the workers, which log like their supervisor.
    pub(super) fn level(&self) -> String {
        self.log.to_string()
    }
}
