//! Whom a message of another worker is for, and whether they have room for it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use socketioxide_core::adapter::{BroadcastFlags, BroadcastOptions};
use socketioxide_core::packet::{Packet, PacketData};
use socketioxide_core::{Sid, Uid, Value};

use super::scan::Broadcast;
use crate::backlog::Backlogs;

/// The clients of this worker that a broadcast is for.
pub(super) trait Members: Send + Sync {
    /// Whether this worker is `node`.
    fn is(&self, node: Uid) -> bool;

    fn members(&self, options: &BroadcastOptions) -> Vec<Sid>;
}

/// The clients of this worker, by namespace. Clones are the same ones.
#[derive(Clone, Default)]
pub(super) struct Audience(Arc<RwLock<HashMap<String, Weak<dyn Members>>>>);

impl Audience {
    /// Messages for a namespace concern these from now on.
    pub(super) fn enter(&self, namespace: &str, members: Weak<dyn Members>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(namespace.into(), members);
    }

    /// Waits until there is room for a message of another worker, and counts it. What is no broadcast
    /// needs none.
    pub(super) async fn room(&self, channel: &str, payload: &[u8]) {
        let Some(members) = self.of(channel) else { return };
        let Some(Broadcast { node, options, bytes }) = Broadcast::read(payload) else { return };
        // Redis gives back to a worker what it has said itself, and the adapter ignores that.
        let own = || members.upgrade().is_none_or(|members| members.is(node));
        if options.has_flag(BroadcastFlags::Volatile) || own() {
            return;
        }
        let members = || members.upgrade().map(|to| to.members(&options)).unwrap_or_default();
        for backlog in Backlogs::of_this_process().room(members).await {
            backlog.put(bytes);
        }
    }

    fn of(&self, channel: &str) -> Option<Weak<dyn Members>> {
        let (_, rest) = channel.split_once("-request#")?;
        let (namespace, _) = rest.split_once('#')?;
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(namespace).cloned()
    }
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Audience")
    }
}

/// As many bytes a packet has for each client, at least.
pub(super) fn bytes_in(packet: &Packet) -> usize {
    match &packet.inner {
        PacketData::Event(value, _)
        | PacketData::BinaryEvent(value, _)
        | PacketData::EventAck(value, _)
        | PacketData::BinaryAck(value, _)
        | PacketData::Connect(Some(value)) => match value {
            Value::Str(text, attachments) => {
                text.len() + attachments.iter().flatten().map(bytes_of).sum::<usize>()
            }
            Value::Bytes(bytes) => bytes.len(),
        },
        PacketData::ConnectError(text) => text.len(),
        PacketData::Connect(None) | PacketData::Disconnect => 0,
    }
}

fn bytes_of(attachment: &impl AsRef<[u8]>) -> usize {
    attachment.as_ref().len()
}
