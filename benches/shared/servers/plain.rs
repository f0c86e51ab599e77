//! Plain `SO_REUSEPORT`: the kernel spreads connections by a hash of address and port.

use anyhow::Result;

use super::{Kind, Server, workers};
use crate::processes::Tree;

pub(super) fn start(kind: Kind, workers: u32) -> Result<Server> {
    let (first, address) = workers::listen(0)?;
    let mut listeners = vec![first];
    for _ in 1..workers {
        listeners.push(workers::listen(address.port())?.0);
    }
    let workers = workers::start(listeners)?;
    let roots = workers.iter().map(Tree::pid).collect();
    Ok(Server { kind, address, roots, _running: Box::new(workers) })
}
