//! Where connections come from.

use std::future;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::serve::Listener;
use tracing::{error, info, warn};

use super::Connection;
use super::drain::Drain;
use super::room::is_lacking;
use super::source::{Accepted, Source};
use sticky_contract::lease::AcceptLease;

/// Pause after a failure that hits every connection, and where no descriptor is left.
const PAUSE: Duration = Duration::from_millis(100);

/// A want of descriptors is over when there was none for so long: clients that come and go do not write
/// the log.
const CALM: Duration = Duration::from_secs(10);

/// The connections of a slot, as a source for [`axum::serve()`].
///
/// It begins when this worker holds the accept lease. At the last call it hands out what waits in the queue,
/// and then tells so.
#[derive(Debug)]
pub struct Incoming {
    source: Source,
    drain: Drain,
    lease: AcceptLease,
    /// No more can come.
    over: bool,
    full: Option<Full>,
}

/// No descriptor is left for the next connection, or was not a moment ago.
#[derive(Clone, Copy, Debug)]
struct Full {
    since: Instant,
    last: Instant,
}

impl Incoming {
    pub(super) fn new(source: Source, drain: Drain, lease: AcceptLease) -> Self {
        Self { source, drain, lease, over: false, full: None }
    }

    async fn next(&mut self) -> io::Result<Accepted> {
        tokio::select! {
            biased;
            () = self.drain.last_call.cancelled() => {}
            next = next_leased(&mut self.source, &self.lease), if !self.over => {
                if let Some(connection) = next? {
                    return Ok(connection);
                }
                warn!("the supervisor has gone, and no new connection can come: draining");
                self.over = true;
                self.drain.draining.begin();
                self.drain.last_call.cancelled().await;
            }
        }
        // What waits is for the worker that holds the lease.
        let waiting = if self.lease.is_held() { self.source.next_waiting() } else { Ok(None) };
        match waiting {
            Ok(Some(connection)) => Ok(connection),
            // For want of room it is the successor's, as what comes later.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock && !is_lacking(&error) => {
                Err(error)
            }
            Ok(None) | Err(_) => {
                self.drain.queue_empty.cancel();
                future::pending().await
            }
        }
    }
}

async fn next_leased(source: &mut Source, lease: &AcceptLease) -> io::Result<Option<Accepted>> {
    lease.prepared().await;
    source.next().await
}

impl Listener for Incoming {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            match self.next().await {
                Ok((stream, peer)) => {
                    if let Some(full) = self.full.take_if(|full| full.last.elapsed() >= CALM) {
                        let since = full.since.elapsed().as_secs();
                        info!("there are descriptors for clients again, after {since} s");
                    }
                    // Socket.IO packets are small and each is waited for. Serving goes on without.
                    let _ = stream.set_nodelay(true);
                    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                    return (Connection::new(stream, &self.drain.open), peer);
                }
                Err(error) if concerns_one_client(&error) => {}
                Err(error) if is_lacking(&error) => {
                    let now = Instant::now();
                    if self.full.is_none() {
                        warn!(
                            connections = self.drain.open.len(),
                            "no descriptor is left for another client, as many are open: who \
                             connects waits until one has gone; a higher limit of open files \
                             (RLIMIT_NOFILE) allows for more"
                        );
                    }
                    self.full.get_or_insert(Full { since: now, last: now }).last = now;
                    tokio::time::sleep(PAUSE).await; // real delay: no event tells it may work now
                }
                Err(error) => {
                    error!("cannot accept connections: {error}; trying again in {PAUSE:?}");
                    tokio::time::sleep(PAUSE).await; // real delay: no event tells it may work now
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.local_addr()
    }
}

/// The client went away before we took its connection.
fn concerns_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, NotConnected,
    };
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | NotConnected
    )
}
