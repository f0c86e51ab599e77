//! Requests of other workers, on their way to the namespaces of this worker.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use socketioxide_core::adapter::remote_packet::{RequestIn, RequestTypeIn};
use socketioxide_core::adapter::{BroadcastFlags, BroadcastOptions};
use socketioxide_core::{Sid, Uid};
use tracing::warn;

use crate::backlog::Backlogs;
use crate::log_limit::LogLimit;
use crate::weight;

/// A namespace of this worker.
pub(crate) trait Namespace: Send + Sync {
    /// The id by which other workers know this one.
    fn node(&self) -> Uid;

    /// The clients of this worker that a broadcast is for.
    fn members(&self, options: &BroadcastOptions) -> Vec<Sid>;

    /// Does what another worker asks for.
    fn handle(&self, request: RequestIn);
}

/// The namespaces of this worker, by path. Clones are the same ones.
#[derive(Clone)]
pub(crate) struct Namespaces(Arc<Inner>);

struct Inner {
    backlogs: Backlogs,
    by_path: RwLock<HashMap<String, Weak<dyn Namespace>>>,
    unreadable: LogLimit,
}

impl Namespaces {
    /// None yet. Broadcasts to their clients wait for capacity in `backlogs`.
    pub(crate) fn new(backlogs: Backlogs) -> Self {
        let (by_path, unreadable) = (RwLock::default(), LogLimit::default());
        Self(Arc::new(Inner { backlogs, by_path, unreadable }))
    }

    /// Requests to this namespace are handled from now on.
    pub(crate) fn enter(&self, path: &str, namespace: Weak<dyn Namespace>) {
        let by_path = &self.0.by_path;
        by_path.write().unwrap_or_else(PoisonError::into_inner).insert(path.into(), namespace);
    }

    /// No request is for this namespace any more.
    pub(crate) fn leave(&self, path: &str) {
        self.0.by_path.write().unwrap_or_else(PoisonError::into_inner).remove(path);
    }

    /// The namespace whose requests come on this channel, if there is such a one here.
    pub(crate) fn of_channel(&self, channel: &str) -> Option<Weak<dyn Namespace>> {
        let (_, rest) = channel.split_once("-request#")?;
        let (path, _) = rest.split_once('#')?;
        self.0.by_path.read().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    /// Handles a request of another worker. A broadcast waits until the clients that it is for have
    /// capacity, and counts as waiting for them from then on.
    pub(crate) async fn handle(&self, namespace: &Weak<dyn Namespace>, payload: &[u8]) {
        let request = match rmp_serde::from_slice::<RequestIn>(payload) {
            Ok(request) => request,
            Err(error) => {
                if let Some(times) = self.0.unreadable.count() {
                    warn!("requests on the bus cannot be read ({times}), the last because {error}");
                }
                return;
            }
        };
        // Redis gives back to a worker what it has said itself.
        if namespace.upgrade().is_none_or(|namespace| namespace.node() == request.node_id) {
            return;
        }
        self.wait_for_capacity(namespace, &request).await;
        if let Some(namespace) = namespace.upgrade() {
            namespace.handle(request);
        }
    }

    async fn wait_for_capacity(&self, namespace: &Weak<dyn Namespace>, request: &RequestIn) {
        use RequestTypeIn::{Broadcast, BroadcastWithAck};

        let (Broadcast(packet) | BroadcastWithAck(packet), Some(options)) =
            (&request.r#type, &request.opts)
        else {
            return;
        };
        if options.has_flag(BroadcastFlags::Volatile) {
            return;
        }
        let bytes = weight::bytes_in(packet);
        let members = || namespace.upgrade().map(|to| to.members(options)).unwrap_or_default();
        for backlog in self.0.backlogs.capacity(members).await {
            backlog.put(bytes);
        }
    }
}

impl fmt::Debug for Namespaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Namespaces")
    }
}
