//! What a packet weighs for each client that it is for.

use socketioxide_core::Value;
use socketioxide_core::packet::{Packet, PacketData};

/// As many bytes a packet has for each client, at least.
pub(crate) fn bytes_in(packet: &Packet) -> usize {
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
