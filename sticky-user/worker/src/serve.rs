//! Serving a router from readiness to the last connection.

use std::future;

use axum::Router;
use sd_notify::NotifyState;
use sticky_contract::message;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use super::accept::Accept;
use super::connection::Shared;
use super::drain::Drain;
use super::idle::Idle;
use super::limit::Limit;
use super::source::Source;
use super::{Error, Worker, watchdog};

impl Worker {
    /// Serves `router` until SIGTERM or SIGINT, then drains, and returns when the last connection
    /// has ended or [`Worker::drain_timeout`] is over.
    ///
    /// Says `READY=1` to the supervisor once connections can be accepted, which is done as soon as
    /// no other worker of the slot does. Handlers get the client's address as
    /// `ConnectInfo<SocketAddr>`, an IPv4 client's always in the IPv4 form.
    pub async fn serve(mut self, router: Router) -> Result<(), Error> {
        // Before READY=1: from then on the supervisor may ask for the end.
        let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
        // Before the first client, who may be one of too many.
        let notifier = self.notifier();
        let (slot, slots) = (self.slot(), self.slots());
        let lease = self.lease;
        let Drain { draining, open, timeout, .. } = self.drain.clone();
        let redistributed = self.passed.redistributed.is_some();
        let source = Source::new(self.passed, slots).map_err(Error::Listener)?;
        let idle = Idle::default();
        let limit = Limit::new(open.clone(), self.max_connections, idle.clone());
        let shared = Shared {
            // The routes are made ready here, and not for each request.
            router: router.with_state(()),
            draining: draining.clone(),
            idle: idle.clone(),
            timeouts: self.timeouts,
        };
        let accept = Accept::new(source, limit, self.drain.clone(), lease.clone(), shared.into());
        let mut accepting = Box::pin(accept.run());
        if let Some(notifier) = &notifier {
            let mut states = vec![NotifyState::Ready];
            states.extend(redistributed.then_some(NotifyState::Custom(message::REDISTRIBUTED)));
            states.extend(self.watchdog.map(|limit| watchdog::start(notifier, limit)));
            notifier.tell_surely(&states);
        }
        info!(%slot, %slots, "ready");

        tokio::select! {
            biased;
            () = draining.begun() => {}
            // Not before it has begun to drain.
            () = &mut accepting => {}
            () = first_of(&mut terminate, &mut interrupt) => {}
        }

        if let Some(notifier) = &notifier {
            notifier.tell_surely(&[NotifyState::Stopping]);
        }
        draining.begin();
        open.close();
        info!(%slot, connections = open.len(), "draining");
        let heard = async {
            self.drain.all_heard().await;
            idle.close_all();
        };
        let drained = async {
            tokio::join!(accepting, self.drain.hand_over(&lease), heard);
            open.wait().await;
        };
        if tokio::time::timeout(timeout, drained).await.is_err() {
            warn!(
                %slot,
                connections = open.len(),
                "the time to drain is over: closing what is left"
            );
        }
        Ok(())
    }
}

async fn first_of(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        Some(()) = terminate.recv() => {}
        Some(()) = interrupt.recv() => {}
        else => future::pending().await,
    }
}
