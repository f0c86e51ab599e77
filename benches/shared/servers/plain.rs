//! Plain `SO_REUSEPORT`: the kernel spreads connections by a hash of address and port.

use anyhow::Result;

use super::{Kind, Server, workers};
use crate::listen::group;
use crate::processes::Tree;

pub(super) fn start(kind: Kind, workers: u32) -> Result<Server> {
    let (listeners, address) = group(workers)?;
    let workers = workers::start(listeners)?;
    let roots = workers.iter().map(Tree::pid).collect();
    Ok(Server { kind, address, roots, _running: Box::new(workers) })
}
