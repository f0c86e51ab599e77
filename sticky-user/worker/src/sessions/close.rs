//! The order in which sessions are closed.

use std::sync::Arc;
use std::time::Duration;

use socketioxide::SocketIo;
use socketioxide::adapter::Adapter;
use socketioxide::extract::SocketRef;
use tokio::time::{sleep, timeout};
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::debug;

use super::registry::Registry;
use super::session::Session;
use crate::drain::Drain;
use crate::websocket::JOIN_LIMIT;

/// So many sessions are closed, if there is time for it, ...
const AT_ONCE: usize = 5;

/// ... before a pause: 500 in a second.
const PAUSE: Duration = Duration::from_millis(10);

/// How long to wait for requests of sessions that were closed: the client's next one is on its way,
/// if there is a client.
const LAST_REQUEST: Duration = Duration::from_millis(300);

/// Closes the sessions when the worker drains. `first` is held until the next worker may accept.
pub(super) async fn when_drained<A: Adapter>(
    drain: Drain,
    registry: Arc<Registry>,
    io: SocketIo<A>,
    first: TaskTrackerToken,
) {
    drain.draining.begun().await;
    registry.leave_word();
    // Those that are opened meanwhile are left alone: their clients would come here again.
    spread_out(&registry.all(), drain.timeout / 2).await;
    registry.end_all();
    registry.polling.close();
    if timeout(drain.at_most(LAST_REQUEST), registry.polling.wait()).await.is_err() {
        debug!("{} clients do not ask for the end of their session", registry.polling.len());
    }
    drop(first);

    drain.queue_empty.cancelled().await;
    registry.joining.close();
    if timeout(JOIN_LIMIT, registry.joining.wait()).await.is_err() {
        debug!("{} sessions were opened and not joined", registry.joining.len());
    }
    // Whoever joins even later is let in and closed again, rather than turned away for ever.
    for late in ["/", "/{*name}"] {
        let join = async |_: SocketRef<A>| {};
        if let Err(error) = io.dyn_ns(late, join) {
            debug!("clients that join {late} from now on are turned away: {error}");
        }
    }
    // What is left: clients that do not ask, and WebSockets that stopped in the middle of a message.
    io.close().await;
}

/// Not all at once, but within `limit`.
async fn spread_out(sessions: &[Arc<Session>], limit: Duration) {
    for some in sessions.chunks(at_once(sessions.len(), limit)) {
        for session in some {
            session.end();
        }
        #[expect(clippy::disallowed_methods, reason = "the next clients come back a moment later")]
        sleep(PAUSE).await;
    }
}

fn at_once(sessions: usize, limit: Duration) -> usize {
    let pauses = usize::try_from(limit.as_millis() / PAUSE.as_millis()).unwrap_or(usize::MAX);
    sessions.div_ceil(pauses.max(1)).max(AT_ONCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_fast_as_it_has_to_be() {
        let seconds = Duration::from_secs;
        assert_eq!(at_once(0, seconds(5)), 5);
        assert_eq!(at_once(2500, seconds(5)), 5);
        assert_eq!(at_once(5000, seconds(5)), 10);
        assert_eq!(at_once(5001, seconds(5)), 11);
        assert_eq!(at_once(70, Duration::from_millis(5)), 70);
        assert_eq!(at_once(70, Duration::ZERO), 70);
    }
}
