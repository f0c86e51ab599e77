//! Plain `SO_REUSEPORT`: the kernel spreads connections by a hash of address and port.

use anyhow::Result;

use super::{Kind, Server, workers};
use crate::listen::group;

pub(super) fn start(kind: Kind, workers: u32) -> Result<Server> {
    let (listeners, address) = group(workers)?;
    Ok(Server::of_trees(kind, address, workers::start(listeners, &workers::reference())?))
}
