//! Taking what comes from the source: while the slot's accept lease is this worker's, and what
//! waits at the end of it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sticky_contract::lease::AcceptLease;
use tokio::task::yield_now;
use tokio::time::sleep;
use tracing::{error, info, warn};

use super::connection::{self, Shared};
use super::drain::Drain;
use super::limit::{Counts, Limit, Stretch};
use super::room::is_lacking;
use super::source::{Accepted, Source};

/// Pause after a failure that hits every connection, and where no descriptor is left.
const PAUSE: Duration = Duration::from_millis(100);

/// So many connections are taken until those that are there have their turn.
const BATCH: u32 = 16;

/// So many idle connections are closed where no descriptor is left, before a pause.
const CLOSED_AT_ONCE: usize = 16;

/// Accepts. It begins when the lease is this worker's, and ends when the queue was empty after the last
/// call.
pub(crate) struct Accept {
    source: Source,
    limit: Limit,
    drain: Drain,
    lease: AcceptLease,
    shared: Arc<Shared>,
    /// No more can come.
    over: bool,
    without_descriptors: Stretch,
}

impl Accept {
    pub(crate) fn new(
        source: Source,
        limit: Limit,
        drain: Drain,
        lease: AcceptLease,
        shared: Arc<Shared>,
    ) -> Self {
        let without_descriptors = Stretch::default();
        Self { source, limit, drain, lease, shared, over: false, without_descriptors }
    }

    pub(crate) async fn run(mut self) {
        let mut batch = 0;
        loop {
            match self.next().await {
                Ok(Some(accepted)) => self.serve(accepted).await,
                Ok(None) => break,
                Err(error) if concerns_one_client(&error) => {}
                Err(error) => self.failed(&error).await,
            }
            batch += 1;
            if batch % BATCH == 0 {
                yield_now().await;
            }
        }
        self.drain.queue_empty.cancel();
    }

    async fn next(&mut self) -> io::Result<Option<Accepted>> {
        tokio::select! {
            biased;
            () = self.drain.last_call.cancelled() => {}
            next = next_leased(&mut self.source, &self.lease), if !self.over => {
                if let Some(connection) = next? {
                    return Ok(Some(connection));
                }
                warn!("the supervisor has gone, and no new connection can come: draining");
                self.over = true;
                self.drain.draining.begin();
                self.drain.last_call.cancelled().await;
            }
        }
        // What waits is for the worker that has the lease.
        match if self.lease.is_held() { self.source.next_waiting() } else { Ok(None) } {
            // For want of room it is the successor's, as what comes later.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock || is_lacking(&error) => {
                Ok(None)
            }
            waiting => waiting,
        }
    }

    async fn serve(&mut self, (stream, peer): Accepted) {
        if let Some((seconds, Counts { closed, waited })) = self.without_descriptors.is_over() {
            info!(closed, waited, "there are descriptors for clients again, after {seconds} s");
        }
        // Socket.IO packets are small and each is waited for. Serving goes on without.
        let _ = stream.set_nodelay(true);
        let place = tokio::select! {
            biased;
            place = self.limit.place() => Some(place),
            // What was accepted is served, and the time is short.
            () = self.drain.last_call.cancelled() => None,
        };
        let place = place.unwrap_or_else(|| self.limit.beyond());
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        tokio::spawn(connection::serve(stream, peer, place, Arc::clone(&self.shared)));
    }

    async fn failed(&mut self, error: &io::Error) {
        if !is_lacking(error) {
            error!("cannot accept connections: {error}; trying again in {PAUSE:?}");
        } else if self.without_descriptors.begins() {
            warn!(
                connections = self.drain.open.len(),
                "no descriptor is left for another client, as many are open: the connections that \
                 are idle longest are closed for new ones, and while none is idle, new ones wait; a \
                 higher limit of open files (RLIMIT_NOFILE) allows for more"
            );
        }
        if is_lacking(error) {
            self.limit.make_room(CLOSED_AT_ONCE, &mut self.without_descriptors);
        }
        #[expect(clippy::disallowed_methods, reason = "no event tells it may work now")]
        sleep(PAUSE).await;
    }
}

async fn next_leased(source: &mut Source, lease: &AcceptLease) -> io::Result<Option<Accepted>> {
    lease.prepared().await;
    source.next().await
}

/// The client went away before the worker took its connection.
fn concerns_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, NotConnected,
    };
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | NotConnected
    )
}
