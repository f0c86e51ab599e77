//! Everything that the next supervisor finds: with the keeper, and with the service manager.

use std::io;
use std::os::fd::BorrowedFd;

use tracing::debug;

use super::fd_store::FdStore;
use super::run_dir::RunDir;
use super::spawn;
use crate::keeper::{Keeper, KeeperError};

#[derive(Debug)]
pub(super) struct Legacy {
    keeper: Keeper,
    store: FdStore,
}

impl Legacy {
    pub(super) fn new(keeper: Keeper, store: FdStore) -> Self {
        Self { keeper, store }
    }

    pub(super) fn keep(
        &mut self,
        name: &str,
        descriptor: BorrowedFd<'_>,
    ) -> Result<(), KeeperError> {
        self.store.keep(name, descriptor);
        self.keeper.keep(name, descriptor)
    }

    pub(super) fn forget(&mut self, name: &str) -> Result<(), KeeperError> {
        self.store.forget(name);
        self.keeper.forget(name)
    }

    pub(super) fn note(&self, note: String) -> Result<(), KeeperError> {
        self.store.note(&note);
        self.keeper.note(note)
    }

    /// Resolves when the keeper has ended without being told to.
    pub(super) async fn keeper_ended(&self) -> io::Result<()> {
        self.keeper.ended().await
    }

    /// Another keeper, which knows nothing yet.
    pub(super) fn renew(&mut self, run_dir: &RunDir) -> Result<(), KeeperError> {
        self.keeper = Keeper::start(&run_dir.keeper(), spawn::keeper())?;
        Ok(())
    }

    /// Another keeper in the place of one that the next supervisor would not find, which ends.
    pub(super) fn replace(&mut self, run_dir: &RunDir) -> Result<(), KeeperError> {
        let another = Keeper::start(&run_dir.keeper(), spawn::keeper())?;
        let before = std::mem::replace(&mut self.keeper, another);
        // As long as it takes: nobody waits for it.
        tokio::spawn(before.leave());
        Ok(())
    }

    /// Nothing is left to nobody: the end of serving.
    pub(super) async fn dissolve(self) {
        self.store.clear();
        if let Err(error) = self.keeper.leave().await {
            debug!("{error}: it has gone already");
        }
    }
}
