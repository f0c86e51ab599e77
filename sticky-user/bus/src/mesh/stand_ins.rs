//! Responses in the place of a worker that has gone: as it would give them if it served nobody.

use std::collections::HashSet;

use socketioxide::{AckError, SocketError};
use socketioxide_core::adapter::remote_packet::{Response, ResponseType};
use socketioxide_core::{Sid, Uid};

use super::request::Kind;
use super::subscriptions::Subscriptions;

/// What one worker still owes to one request. Each response is made when there is room for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StandIns {
    pub(super) request: Sid,
    pub(super) kind: Kind,
    /// The acks that the worker has announced and not sent; `None` before it says how many.
    pub(super) acks: Option<u32>,
    /// The channel of the responses.
    pub(super) channel: String,
}

impl StandIns {
    /// Gives them to this worker's adapter, as fast as it takes them.
    pub(super) fn deliver(self, subscriptions: &Subscriptions) {
        let Some(sender) = subscriptions.sender(&self.channel) else { return };
        tokio::spawn(async move {
            for response in self.responses() {
                if sender.send((self.channel.clone(), response)).await.is_err() {
                    return;
                }
            }
        });
    }

    /// For acks, an error for each that was announced.
    fn responses(&self) -> impl Iterator<Item = Vec<u8>> + Send + use<> {
        let (response, times): (fn() -> _, _) = match (self.kind, self.acks) {
            (Kind::Rooms, _) => (|| ResponseType::AllRooms(HashSet::default()), 1),
            (Kind::Sockets, _) => (|| ResponseType::FetchSockets(Vec::new()), 1),
            (Kind::Acks, None) => (|| ResponseType::BroadcastAckCount(0), 1),
            (Kind::Acks, Some(left)) => (lost_ack, left),
        };
        let id = self.request;
        let encode =
            move |r#type| rmp_serde::to_vec(&(id, Response { node_id: Uid::new(), r#type }));
        // Of these types, all can be encoded.
        (0..times).filter_map(move |_| encode(response()).ok())
    }
}

/// The ack of a client that nobody knows: an id of zeros could not be read.
pub(super) fn lost_ack() -> ResponseType<AckError> {
    ResponseType::BroadcastAck((Sid::new(), Err(AckError::Socket(SocketError::Closed))))
}
