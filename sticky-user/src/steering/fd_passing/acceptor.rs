//! Accepts, looks the slot up, passes on: in a thread of its own.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use socket2::SockRef;
use sticky_contract::SlotId;
use sticky_ebpf::Mapping;
use tokio::io::Interest;
use tokio::runtime;
use tokio::sync::{oneshot, watch};
use tracing::{debug, error, info};

use crate::listener::Listeners;
use crate::steering::outbox::Outboxes;
use crate::steering::redistribution::next;
use crate::steering::{Error, Plan};
use crate::step::Step as _;
use sticky_sys::readiness::{self, Watched};
use sticky_sys::scheduling;

/// Pause after a failure that hits every connection, such as no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections accepted before it looks whether to stop.
const IN_A_TURN: u32 = 64;

/// How to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// What waits is another's to accept.
    Pause,
    /// Accept what waits, then close the port.
    Close,
}

/// The one listener of the port.
#[derive(Debug)]
struct Acceptor {
    listener: Watched<OwnedFd>,
    mapping: watch::Receiver<Mapping>,
    outboxes: Arc<Outboxes>,
    backlog: u16,
    log: bool,
}

/// The thread that accepts. Dropped, it pauses as soon as it can.
#[derive(Debug)]
pub(super) struct Accepting {
    stop: oneshot::Sender<Stop>,
    ended: oneshot::Receiver<Result<(), Error>>,
}

impl Accepting {
    pub(super) fn start(
        listeners: &Listeners,
        plan: &Plan,
        mapping: watch::Receiver<Mapping>,
        outboxes: Arc<Outboxes>,
    ) -> Result<Self, Error> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.step("make a runtime")?;
        let listener = {
            let _entered = runtime.enter();
            watched(listeners).step("watch the listener")?
        };
        let acceptor =
            Acceptor { listener, mapping, outboxes, backlog: plan.backlog, log: plan.log };
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let accept = move || {
            // Where every processor is busy, a thread that is woken for each connection would stop a
            // worker for it. With this priority, it accepts several at once.
            if let Err(error) = scheduling::without_displacing() {
                debug!("the thread that accepts has the usual priority: {error}");
            }
            // Nobody to tell: the supervisor itself is ending.
            let _ = end.send(runtime.block_on(acceptor.run(stopped)));
        };
        let thread = thread::Builder::new().name("sticky-accept".into()).spawn(accept);
        thread.step("start the thread that accepts")?;
        Ok(Self { stop, ended })
    }

    /// Waits until it has stopped.
    pub(super) async fn stop(self, how: Stop) -> Result<(), Error> {
        // An acceptor that has ended already need not be told.
        let _ = self.stop.send(how);
        let ended = self.ended.await;
        ended.map_err(io::Error::other).step("stop accepting")?
    }
}

impl Acceptor {
    /// Accepts until it is told to stop, or its [`Accepting`] is dropped.
    async fn run(self, mut stop: oneshot::Receiver<Stop>) -> Result<(), Error> {
        let stop = loop {
            let ready = tokio::select! {
                biased;
                stop = &mut stop => break stop.unwrap_or(Stop::Pause),
                ready = self.listener.readable() => ready,
            };
            let accepted = match ready {
                Ok(mut ready) => self.accept_waiting().map(|all| all.then(|| ready.clear_ready())),
                Err(error) => Err(error),
            };
            if matches!(accepted, Ok(None)) {
                tokio::task::yield_now().await;
            }
            if let Err(error) = accepted {
                error!("cannot accept connections: {error}; trying again in {PAUSE:?}");
                #[expect(
                    clippy::disallowed_methods,
                    reason = "no event tells that it may work now"
                )]
                tokio::time::sleep(PAUSE).await;
            }
        };
        if stop == Stop::Close { self.close().await } else { Ok(()) }
    }

    async fn close(self) -> Result<(), Error> {
        // As many as can wait, no more: later clients are refused when the port closes.
        for _ in 0..=u32::from(self.backlog) / IN_A_TURN {
            let step = "accept the connections that still wait";
            if self.accept_waiting().step(step)? {
                break;
            }
            tokio::task::yield_now().await;
        }
        let shut = SockRef::from(self.listener.get_ref()).shutdown(Shutdown::Both);
        Ok(shut.step("close the port")?)
    }

    /// Accepts until nothing waits, which it tells, or others should have a turn.
    fn accept_waiting(&self) -> io::Result<bool> {
        for _ in 0..IN_A_TURN {
            match next(self.listener.get_ref())? {
                Some((connection, peer)) => self.pass(connection, peer),
                None => return Ok(true),
            }
        }
        Ok(false)
    }

    fn pass(&self, connection: OwnedFd, peer: SocketAddr) {
        let mapping = self.mapping.borrow();
        let slot = mapping.slot_of(peer.ip());
        if self.log {
            let key = mapping.key_of(peer.ip()).number();
            info!("key {key} -> slot {slot}");
        }
        self.outboxes.pass(slot, connection);
    }
}

fn watched(listeners: &Listeners) -> io::Result<Watched<OwnedFd>> {
    let listener = listeners.get(SlotId::FIRST);
    rustix::io::ioctl_fionbio(listener, true)?;
    readiness::watch(listener.try_clone_to_owned()?, Interest::READABLE)
}
