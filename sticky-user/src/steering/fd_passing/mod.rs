//! Mode `fd-passing`: the supervisor accepts, and passes the connection to the worker unread.
//!
//! The design of the classic Node.js recipe. It needs no privilege and nothing of the kernel that
//! is newer than `SCM_RIGHTS`, but it puts the supervisor on the way of every new connection: while
//! no supervisor runs, whoever connects waits for the next one.

mod acceptor;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::io::ioctl_fionread;
use sticky_contract::descriptor;
use sticky_ebpf::Mapping;
use tokio::sync::watch;

use self::acceptor::{Accepting, Stop};
use super::kept::take;
use super::mended::Mended;
use super::outbox::{Outbox, Outboxes};
use super::{Closing, Counters, Error, Kept, Lent, Mode, Plan, Steering};
use crate::listener::{self, Gone, Listeners, Queue};
use sticky_sys::fd_passing;

/// The accepting supervisor at work on one port.
#[derive(Debug)]
pub struct FdPassing {
    listeners: Listeners,
    outboxes: Arc<Outboxes>,
    mapping: watch::Sender<Mapping>,
    plan: Plan,
    acceptor: Option<Accepting>,
}

impl FdPassing {
    /// Opens one listener and begins to accept. Needs a tokio runtime.
    pub fn install(plan: &Plan) -> Result<Self, Error> {
        let listeners = Listeners::open_alone(plan.listen, plan.backlog)?;
        let outboxes = Outboxes::open(plan.mapping.slots(), plan.backlog)?;
        Self::of(listeners, outboxes, plan)
    }

    /// Goes on with what an earlier supervisor left. Needs a tokio runtime.
    pub fn resume(plan: &Plan, left: &mut Kept) -> Result<Self, Error> {
        let listener = take(left, &listener::name(0))?;
        let mut listeners = Listeners::resume(plan.listen, vec![listener], plan.backlog);
        // The earlier supervisor may have been killed while it was ending.
        if !listeners.is_listening(0) {
            listeners.listen_again(0)?;
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
        this.listeners.open_door()?;
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
pub fn probe() -> Result<(), Error> {
    let step = "pass a descriptor over a Unix socket";
    let (near, far) = fd_passing::pair(1).map_err(Error::system(step))?;
    fd_passing::send(&near, far.as_fd()).map_err(Error::system(step))?;
    fd_passing::receive(&far).map(drop).map_err(Error::system(step))
}

impl Steering for FdPassing {
    fn mode(&self) -> Mode {
        Mode::FdPassing
    }

    fn address(&self) -> SocketAddr {
        self.listeners.address()
    }

    fn lend(&self, slot: u32) -> io::Result<Vec<Lent>> {
        let descriptor = self.outboxes.far(slot)?;
        Ok(vec![Lent { name: descriptor::CONNECTIONS, descriptor }])
    }

    fn mend(&mut self, gone: Option<Gone>, _adopts: &dyn Fn(u32) -> bool) -> Mended {
        let mut mended = Mended::default();
        self.outboxes.renew(gone, &mut mended);
        mended
    }

    fn remap(&mut self, mapping: &Mapping) -> Result<(), Error> {
        self.mapping.send_replace(mapping.clone());
        Ok(())
    }

    fn waiting(&self, slot: u32) -> io::Result<OwnedFd> {
        self.outboxes.far(slot)
    }

    fn adopt(&mut self, slot: u32) -> Result<usize, Error> {
        let step = "take back the connections that wait at a slot without a worker";
        let far = self.outboxes.far(slot).map_err(Error::system(step))?;
        let mapping = self.mapping.borrow().clone();
        let mut adopted = 0;
        loop {
            match fd_passing::receive(&far) {
                Ok(Some(connection)) => {
                    // A client that has gone needs no slot.
                    if let Ok(Some(peer)) =
                        socket2::SockRef::from(&connection).peer_addr().map(|peer| peer.as_socket())
                    {
                        self.outboxes.pass(mapping.slot_of(peer.ip()), connection);
                        adopted += 1;
                    }
                }
                Ok(None) => return Ok(adopted),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(adopted),
                Err(error) => return Err(Error::system(step)(error)),
            }
        }
    }

    fn queue(&self, slot: u32) -> Option<Queue> {
        self.outboxes.get(slot).map(Outbox::queue)
    }

    /// Beside those that wait to be sent, the ones that were and wait at the worker's end.
    fn untaken(&self, slot: u32) -> Option<u32> {
        let waiting = self.queue(slot)?.waiting;
        // Each is a message of one byte.
        let sent = ioctl_fionread(self.outboxes.far(slot).ok()?).ok()?;
        Some(waiting.saturating_add(u32::try_from(sent).unwrap_or(u32::MAX)))
    }

    fn counters(&self) -> Result<Option<Counters>, Error> {
        let slots = self.outboxes.iter().map(Outbox::counts).collect();
        Ok(Some(Counters { slots, ..Counters::default() }.summed()))
    }

    /// Workers have none.
    fn listeners(&self) -> Option<&Listeners> {
        None
    }

    fn kept(&self) -> io::Result<Kept> {
        let mut kept: Kept = self.listeners.kept()?.into_iter().collect();
        self.outboxes.keep(&mut kept)?;
        Ok(kept)
    }

    /// Who connects meanwhile waits in the listener's queue.
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

    /// What the kernel has accepted is passed on first; then the port is closed, and clients are
    /// refused.
    fn close(&mut self) -> Closing {
        // Nobody accepts where an upgrade was about to be carried out.
        let accepts = if self.acceptor.is_none() { self.unpause() } else { Ok(()) };
        let stopped = self.stop(Stop::Close);
        Box::pin(async { accepts.and(stopped.await) })
    }
}
