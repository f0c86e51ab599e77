//! Connections that wait at a slot without a worker, passed to the slots that serve its clients.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::{SocketFlags, acceptfrom_with};
use sticky_contract::{SlotId, descriptor};
use sticky_ebpf::Mapping;

use super::outbox::Outboxes;
use super::repair::Repair;
use super::{Closing, Error, Kept, Lent};
use crate::listener::{Gone, Listeners};
use crate::step::Step as _;

/// A socket to each slot's worker, beside its listener.
#[derive(Debug)]
pub(super) struct Redistribution(Arc<Outboxes>);

impl Redistribution {
    pub(super) fn new(mapping: &Mapping, backlog: u16) -> Result<Self, Error> {
        Outboxes::open(mapping.slots(), backlog).map(|outboxes| Self(outboxes.into()))
    }

    pub(super) fn resume(left: &mut Kept, mapping: &Mapping, backlog: u16) -> Result<Self, Error> {
        Outboxes::resume(left, mapping.slots(), backlog).map(|outboxes| Self(outboxes.into()))
    }

    pub(super) fn keep(&self, kept: &mut Kept) -> io::Result<()> {
        self.0.keep(kept)
    }

    pub(super) fn lend(&self, slot: SlotId) -> io::Result<Lent> {
        Ok(Lent { name: descriptor::REDISTRIBUTED, descriptor: self.0.far(slot)? })
    }

    /// Where the last worker of a slot has gone, the next one gets a socket that nobody has held.
    pub(super) fn renew(&self, gone: Option<Gone>, repair: &mut Repair) {
        self.0.renew(gone, repair);
    }

    /// Waits until what was accepted is on its way.
    pub(super) fn flushed(&self) -> Closing {
        let outboxes = Arc::clone(&self.0);
        Box::pin(async move {
            outboxes.flushed().await;
            Ok(())
        })
    }

    /// Accepts what waits at the listener of `slot` and passes each connection to the slot that
    /// `mapping` names. Tells how many there were.
    pub(super) fn of(
        &self,
        listeners: &Listeners,
        slot: SlotId,
        mapping: &Mapping,
    ) -> Result<usize, Error> {
        let listener = listeners.get(slot);
        let step = "accept the connections that wait at a slot without a worker";
        let accepted = without_blocking(listener, || {
            let mut count = 0;
            while let Some((connection, peer)) = next(listener)? {
                self.0.pass(mapping.slot_of(peer.ip()), connection);
                count += 1;
            }
            Ok(count)
        });
        Ok(accepted.step(step)?)
    }
}

/// The flag is shared with every process that holds the listener: it is left as it was found.
fn without_blocking<T>(
    listener: BorrowedFd<'_>,
    work: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    let blocked = !fcntl_getfl(listener)?.contains(OFlags::NONBLOCK);
    ioctl_fionbio(listener, true)?;
    let result = work();
    if blocked {
        ioctl_fionbio(listener, false)?;
    }
    result
}

/// The next connection that waits; `None` when there is none.
pub(super) fn next(listener: impl AsFd) -> io::Result<Option<(OwnedFd, SocketAddr)>> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    loop {
        match acceptfrom_with(&listener, flags) {
            Ok((connection, Some(peer))) => {
                if let Ok(peer) = peer.try_into() {
                    return Ok(Some((connection, peer)));
                }
            }
            // The client went away between its SYN and our accept.
            Ok((_, None)) | Err(Errno::CONNABORTED | Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}
