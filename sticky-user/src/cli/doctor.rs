//! To come.

use super::Failure;

/// To come
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        Ok(())
    }
}
