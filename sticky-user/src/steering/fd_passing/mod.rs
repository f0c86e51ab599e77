//! Mode `fd-passing`: the supervisor accepts, and passes the connection to the worker unread.
//!
//! The design of the classic Node.js recipe. It needs no privilege and nothing of the kernel that
//! is newer than `SCM_RIGHTS`, but it puts the supervisor on the way of every new connection: while
//! no supervisor runs, nobody can connect.

mod acceptor;
mod outbox;

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::process::{Resource, getrlimit};
use sticky_ebpf::SlotCount;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::acceptor::Acceptor;
use self::outbox::Outbox;
use super::{Closing, Counters, Error, Lent, Mode, Plan, SlotCounts, Steering};
use crate::listener::{Listeners, Queue};
use crate::sys::fd_passing;

/// The accepting supervisor at work on one port.
#[derive(Debug)]
pub struct FdPassing {
    address: SocketAddr,
    /// The workers' ends, kept here so that what waits in them outlives a worker.
    slots: Vec<OwnedFd>,
    outboxes: Arc<[Outbox]>,
    stop: CancellationToken,
    acceptor: Option<JoinHandle<()>>,
}

impl FdPassing {
    /// Opens one listener and begins to accept. Needs a tokio runtime.
    pub fn install(plan: &Plan) -> Result<Self, Error> {
        let listeners = Listeners::open(plan.listen, 1, plan.backlog)?;
        let address = listeners.address();
        let mut slots = Vec::new();
        let mut outboxes = Vec::new();
        let share = share_of_open_files(plan.mapping.slots());
        for _ in plan.mapping.slots().iter() {
            let step = "make a socket pair for a slot";
            let (near, far) = fd_passing::pair(share).map_err(Error::system(step))?;
            slots.push(far);
            let limit = plan.backlog.min(share);
            outboxes.push(Outbox::new(near, limit).map_err(Error::system(step))?);
        }
        let outboxes: Arc<[Outbox]> = outboxes.into();
        let stop = CancellationToken::new();
        let acceptor = Acceptor::new(&listeners, plan, Arc::clone(&outboxes))?;
        let acceptor = tokio::spawn(acceptor.run(stop.clone()));
        Ok(Self { address, slots, outboxes, stop, acceptor: Some(acceptor) })
    }
}

/// How many connections may be on their way to one slot, and as many wait for that: of all slots
/// together half of the open files that this process may have, so that slots whose workers do not
/// take theirs leave enough for the others.
fn share_of_open_files(slots: SlotCount) -> u16 {
    let open_files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    u16::try_from(open_files / 4 / u64::from(slots.get())).unwrap_or(u16::MAX).max(1)
}

/// Passes a socket from one end of a pair to the other.
pub fn probe() -> Result<(), Error> {
    let step = "pass a descriptor over a Unix socket";
    let (near, far) = fd_passing::pair(1).map_err(Error::system(step))?;
    fd_passing::send(&near, std::os::fd::AsFd::as_fd(&far)).map_err(Error::system(step))?;
    fd_passing::receive(&far).map(drop).map_err(Error::system(step))
}

impl Steering for FdPassing {
    fn mode(&self) -> Mode {
        Mode::FdPassing
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn lend(&self, slot: u32) -> io::Result<Lent> {
        let socket = self.slots.get(slot as usize).ok_or(io::ErrorKind::NotFound)?;
        Ok(Lent { name: "connections", descriptor: socket.try_clone()? })
    }

    fn worker_gone(&mut self, _slot: u32) -> Result<bool, Error> {
        Ok(false)
    }

    fn queue(&self, slot: u32) -> Option<Queue> {
        self.outboxes.get(slot as usize).map(Outbox::queue)
    }

    fn counters(&self) -> Result<Option<Counters>, Error> {
        let slots: Vec<SlotCounts> = self.outboxes.iter().map(Outbox::counts).collect();
        let runs = slots.iter().map(|slot| slot.selected + slot.refused).sum();
        Ok(Some(Counters { runs, slots, ..Counters::default() }))
    }

    /// What the kernel has accepted is passed on first; then the port is closed, and clients are
    /// refused.
    fn close(&mut self) -> Closing<'_> {
        Box::pin(async {
            self.stop.cancel();
            if let Some(acceptor) = self.acceptor.take() {
                acceptor.await.map_err(Error::system("stop accepting"))?;
            }
            for outbox in self.outboxes.iter() {
                outbox.flushed().await;
            }
            Ok(())
        })
    }
}

impl Drop for FdPassing {
    fn drop(&mut self) {
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.abort();
        }
    }
}
