//! Foreign listeners: sockets of other programs on the port.

use tracing::{debug, error, warn};

use super::Fleet;
use crate::listener::{self, ForeignListener};

impl Fleet<'_> {
    /// Reports the programs that have joined the port since the last time.
    pub(super) fn look_for_foreign_listeners(&mut self) {
        let Some(listeners) = self.parts.steering.listeners() else {
            return;
        };
        match listener::foreign_listeners(listeners) {
            Ok(found) => {
                for foreign in found.iter().filter(|it| !self.foreign_listeners.contains(it)) {
                    let ForeignListener { address, takes, .. } = foreign;
                    if foreign.is_harmful() {
                        error!("{foreign} listens on {address} and {takes}: end it");
                    } else {
                        warn!("{foreign} has joined the port at {address}; it {takes}: end it");
                    }
                }
                self.foreign_listeners = found;
            }
            Err(error) => debug!("cannot tell who listens on the port: {error}"),
        }
    }
}
