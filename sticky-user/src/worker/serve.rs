//! Serving a router from readiness to the last connection.

use std::future;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::map_request;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{debug, info, warn};

use super::connection::Peer;
use super::drain::Drain;
use super::source::Source;
use super::{Error, Incoming, Worker};

impl Worker {
    /// Serves `router` until SIGTERM or SIGINT, then drains, and returns when the last connection
    /// has ended or [`Worker::drain_timeout`] is over.
    ///
    /// Says `READY=1` to the supervisor once connections are accepted. Handlers get the client's
    /// address as `ConnectInfo<SocketAddr>`, an IPv4 client's always in the IPv4 form.
    pub async fn serve(self, router: Router) -> Result<(), Error> {
        // Before READY=1: from then on the supervisor may ask for the end.
        let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
        let (slot, slots) = (self.slot(), self.slots());
        let timeout = self.drain_timeout();
        let drain = Drain::new(self.draining());
        let Drain { draining, open, .. } = drain.clone();
        let source = Source::new(self.passed).map_err(Error::Listener)?;
        let incoming = Incoming::new(source, drain.clone());

        let router = router.layer(map_request(with_socket_address));
        let service = router.into_make_service_with_connect_info::<Peer>();
        let server =
            axum::serve(incoming, service).with_graceful_shutdown(drain.all_heard()).into_future();
        tokio::pin!(server);
        notify(&[NotifyState::Ready]);
        info!(slot, slots, "ready");

        let ended = tokio::select! {
            // Draining also waits for connections that the server no longer knows.
            biased;
            () = draining.begun() => None,
            ended = &mut server => Some(ended),
            () = first_of(&mut terminate, &mut interrupt) => None,
        };
        if let Some(ended) = ended {
            return ended.map_err(Error::Serve);
        }

        notify(&[NotifyState::Stopping]);
        draining.begin();
        open.close();
        info!(slot, connections = open.len(), "draining");
        let drained = async {
            server.await.map_err(Error::Serve)?;
            open.wait().await;
            Ok(())
        };
        if let Ok(result) = tokio::time::timeout(timeout, drained).await {
            return result;
        }
        warn!(slot, connections = open.len(), "the time to drain is over: closing what is left");
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

/// Gives handlers the plain address type, which other code for axum expects.
async fn with_socket_address(mut request: Request) -> Request {
    if let Some(&ConnectInfo(Peer(address))) = request.extensions().get() {
        request.extensions_mut().insert(ConnectInfo(address));
    }
    request
}

/// Serving does not depend on the supervisor being there to hear.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        debug!("cannot notify the supervisor: {error}");
    }
}
