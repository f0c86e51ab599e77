//! Programs that listen on the port and are none of ours.

use tracing::{debug, error, warn};

use super::Fleet;
use crate::listener::{self, Stranger};

/// Those that were found last.
#[derive(Debug, Default)]
pub(super) struct Strangers(Vec<Stranger>);

impl Strangers {
    pub(super) fn found(&self) -> &[Stranger] {
        &self.0
    }
}

impl Fleet<'_> {
    /// Reports who has joined the port since the last time.
    pub(super) fn look_for_strangers(&mut self) {
        let Some(listeners) = self.parts.steering.listeners() else {
            return;
        };
        match listener::strangers(listeners) {
            Ok(found) => {
                for stranger in found.iter().filter(|it| !self.strangers.0.contains(it)) {
                    let Stranger { address, takes, .. } = stranger;
                    if stranger.is_harmful() {
                        error!("{stranger} listens on {address} and {takes}: end it");
                    } else {
                        warn!("{stranger} has joined the port at {address}; it {takes}: end it");
                    }
                }
                self.strangers.0 = found;
            }
            Err(error) => debug!("cannot tell who listens on the port: {error}"),
        }
    }
}
