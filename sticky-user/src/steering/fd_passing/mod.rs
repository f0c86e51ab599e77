//! Mode `fd-passing`: the supervisor accepts, and passes the connection to the worker unread.
//!
//! The design of the classic Node.js recipe. It needs no privilege and nothing of the kernel that
//! is newer than `SCM_RIGHTS`, but it puts the supervisor on the way of every new connection: while
//! no supervisor runs, clients that connect wait for the next one.

mod acceptor;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::io::ioctl_fionread;
use sticky_contract::{PerSlot, SlotId, descriptor};
use sticky_ebpf::Mapping;
use tokio::sync::watch;

use self::acceptor::{Accepting, Stop};
use super::kept::take;
use super::outbox::Outboxes;
use super::repair::Repair;
use super::{Closing, Counters, Error, HandOver, Kept, Lend, Lent, Mode, Plan, Steer};
use crate::listener::{self, Gone, Listeners, Queue};
use crate::step::{Step as _, StepError};
use sticky_sys::fd_passing;

/// The accepting supervisor at work on one port.
#[derive(Debug)]
pub(super) struct FdPassing {
    listeners: Listeners,
    outboxes: Arc<Outboxes>,
    mapping: watch::Sender<Mapping>,
    plan: Plan,
    acceptor: Option<Accepting>,
}

impl FdPassing {
    /// Opens one listener and begins to accept. Needs a tokio runtime.
    pub(super) fn install(plan: &Plan) -> Result<Self, Error> {
        let listeners = Listeners::open_alone(plan.listen, plan.backlog)?;
        let outboxes = Outboxes::open(plan.mapping.slots(), plan.backlog)?;
        Self::of(listeners, outboxes, plan)
    }

    /// Goes on with what an earlier supervisor left. Needs a tokio runtime.
    pub(super) fn resume(plan: &Plan, left: &mut Kept) -> Result<Self, Error> {
        let listener = take(left, &listener::name(SlotId::FIRST))?;
        let mut listeners = Listeners::resume(plan.listen, PerSlot::one(listener), plan.backlog);
        // The earlier supervisor may have been killed while it was ending.
        if !listeners.is_listening(SlotId::FIRST) {
            listeners.listen_again(SlotId::FIRST)?;
        }
        let outboxes = Outboxes::resume(left, plan.mapping.slots(), plan.backlog)?;
        Self::of(listeners, outboxes, plan)
    }

    fn of(listeners: Listeners, outboxes: Outboxes, plan: &Plan) -> Result<Self, Error> {
        let mapping = watch::Sender::new(plan.mapping.clone());
        let outboxes = Arc::new(outboxes);
        let acceptor = None;
        let mut this = Self { listeners, outboxes, mapping, plan: plan.clone(), acceptor };
        this.unpause()?;
        this.listeners.open_gate()?;
        Ok(this)
    }

    fn stop(&mut self, stop: Stop) -> Closing {
        let acceptor = self.acceptor.take();
        let outboxes = Arc::clone(&self.outboxes);
        Box::pin(async move {
            if let Some(acceptor) = acceptor {
                acceptor.stop(stop).await?;
            }
            outboxes.flushed().await;
            Ok(())
        })
    }
}

/// Passes a socket from one end of a pair to the other.
pub(super) fn probe() -> Result<(), Error> {
    let step = "pass a descriptor over a Unix socket";
    let (near, far) = fd_passing::pair(1).step(step)?;
    fd_passing::send(&near, far.as_fd()).step(step)?;
    Ok(fd_passing::receive(&far).map(drop).step(step)?)
}

impl Steer for FdPassing {
    fn mode(&self) -> Mode {
        Mode::FdPassing
    }

    fn address(&self) -> SocketAddr {
        self.listeners.address()
    }

    fn remap(&mut self, mapping: &Mapping) -> Result<(), Error> {
        self.mapping.send_replace(mapping.clone());
        Ok(())
    }

    fn waiting(&self, slot: SlotId) -> io::Result<OwnedFd> {
        self.outboxes.far(slot)
    }

    fn redistribute(&mut self, slot: SlotId) -> Result<usize, Error> {
        let step = "take back the connections that wait at a slot without a worker";
        let far = self.outboxes.far(slot).step(step)?;
        let mapping = self.mapping.borrow().clone();
        let mut count = 0;
        loop {
            match fd_passing::receive(&far) {
                Ok(Some(connection)) => {
                    // A client that has gone needs no slot.
                    if let Ok(Some(peer)) =
                        socket2::SockRef::from(&connection).peer_addr().map(|peer| peer.as_socket())
                    {
                        self.outboxes.pass(mapping.slot_of(peer.ip()), connection);
                        count += 1;
                    }
                }
                Ok(None) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(count);
                }
                Err(error) => return Err(StepError::new(step, error).into()),
            }
        }
    }

    fn queue(&self, slot: SlotId) -> Option<Queue> {
        Some(self.outboxes.get(slot).queue())
    }

    /// Connections that wait to be sent, and those that were sent and wait at the worker's end.
    fn untaken(&self, slot: SlotId) -> Option<u32> {
        let waiting = self.queue(slot)?.waiting;
        // Each is a message of one byte.
        let sent = ioctl_fionread(self.outboxes.far(slot).ok()?).ok()?;
        Some(waiting.saturating_add(u32::try_from(sent).unwrap_or(u32::MAX)))
    }

    fn counters(&self) -> Result<Option<Counters>, Error> {
        Ok(Some(Counters::of_slots(self.outboxes.counts())))
    }

    /// What the kernel has accepted is passed on first; then the port is closed, and clients are
    /// refused.
    fn close(&mut self) -> Closing {
        // Nobody accepts where an upgrade was about to be carried out.
        let accepts = if self.acceptor.is_none() { self.unpause() } else { Ok(()) };
        let stopped = self.stop(Stop::Close);
        Box::pin(async { accepts.and(stopped.await) })
    }
}

impl Lend for FdPassing {
    fn lend(&self, slot: SlotId) -> io::Result<Vec<Lent>> {
        let descriptor = self.outboxes.far(slot)?;
        Ok(vec![Lent { name: descriptor::CONNECTIONS, descriptor }])
    }

    fn repair(
        &mut self,
        gone: Option<Gone>,
        _takes_redistributed: &dyn Fn(SlotId) -> bool,
    ) -> Repair {
        let mut repair = Repair::default();
        self.outboxes.renew(gone, &mut repair);
        repair
    }

    /// Workers have none.
    fn listeners(&self) -> Option<&Listeners> {
        None
    }
}

impl HandOver for FdPassing {
    fn kept(&self) -> io::Result<Kept> {
        let mut kept: Kept = self.listeners.kept()?.into_iter().collect();
        self.outboxes.keep(&mut kept)?;
        Ok(kept)
    }

    /// Clients that connect meanwhile wait in the listener's queue.
    fn pause(&mut self) -> Closing {
        self.stop(Stop::Pause)
    }

    fn unpause(&mut self) -> Result<(), Error> {
        let mapping = self.mapping.subscribe();
        let outboxes = Arc::clone(&self.outboxes);
        let acceptor = Accepting::start(&self.listeners, &self.plan, mapping, outboxes)?;
        self.acceptor = Some(acceptor);
        Ok(())
    }
}
