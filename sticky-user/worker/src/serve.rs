//! Serving a router from readiness to the last connection.

use std::future;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{map_request, map_response_with_state};
use axum::response::Response;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use super::connection::Peer;
use super::drain::Drain;
use super::source::Source;
use super::{Draining, Error, Incoming, Worker, watchdog};
use sticky_contract::message;
use sticky_contract::notify::Notifier;

impl Worker {
    /// Serves `router` until SIGTERM or SIGINT, then drains, and returns when the last connection
    /// has ended or [`Worker::drain_timeout`] is over.
    ///
    /// Says `READY=1` to the supervisor once connections can be accepted, which is done as soon as
    /// no other worker of the slot does. Handlers get the client's address as
    /// `ConnectInfo<SocketAddr>`, an IPv4 client's always in the IPv4 form.
    pub async fn serve(self, router: Router) -> Result<(), Error> {
        // Before READY=1: from then on the supervisor may ask for the end.
        let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
        // Before the first client, who may be one of too many.
        let notifier = Notifier::from_env();
        let (slot, slots) = (self.slot(), self.slots());
        let lease = self.lease;
        let Drain { draining, open, timeout, .. } = self.drain.clone();
        let redistributed = self.passed.redistributed.is_some();
        let source = Source::new(self.passed, slots).map_err(Error::Listener)?;
        let incoming = Incoming::new(source, self.drain.clone(), lease.clone());

        let router = router
            .layer(map_request(with_socket_address))
            .layer(map_response_with_state(draining.clone(), last_on_its_connection));
        let service = router.into_make_service_with_connect_info::<Peer>();
        let server = axum::serve(incoming, service)
            .with_graceful_shutdown(self.drain.clone().all_heard())
            .into_future();
        tokio::pin!(server);
        if let Some(notifier) = &notifier {
            let mut states = vec![NotifyState::Ready];
            states.extend(redistributed.then_some(NotifyState::Custom(message::REDISTRIBUTED)));
            states.extend(watchdog::start(notifier));
            notifier.tell_surely(&states);
        }
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

        if let Some(notifier) = &notifier {
            notifier.tell_surely(&[NotifyState::Stopping]);
        }
        draining.begin();
        open.close();
        info!(slot, connections = open.len(), "draining");
        let drained = async {
            let (ended, ()) = tokio::join!(server, self.drain.hand_over(&lease));
            ended.map_err(Error::Serve)?;
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
    if let Some(ConnectInfo(Peer { address, websocket })) = request.extensions_mut().remove() {
        request.extensions_mut().insert(ConnectInfo(address));
        request.extensions_mut().insert(websocket);
    }
    request
}

/// Who asks again is to connect anew, and so to get to the next worker.
async fn last_on_its_connection(
    State(draining): State<Draining>,
    mut response: Response,
) -> Response {
    if draining.has_begun() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
