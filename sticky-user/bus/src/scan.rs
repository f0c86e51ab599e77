//! What a message of another worker is, without taking all of it apart: texts come as lists of numbers,
//! a byte each.
//!
//! A request is the MessagePack array `[node, id, type, packet, rooms, options, ...]` (socketioxide-core
//! 0.20, `RequestOut`).

use socketioxide_core::Uid;
use socketioxide_core::adapter::BroadcastOptions;

/// What a packet holds beside its data, in bytes at most: its names and lists of few.
const BESIDE: usize = 64;

/// The types of a request that are broadcasts: without and with acks.
const BROADCASTS: [u8; 2] = [0, 1];

/// A broadcast: for whom, and how many bytes at least.
#[derive(Debug, PartialEq)]
pub(super) struct Broadcast {
    /// Whose it is.
    pub(super) node: Uid,
    pub(super) options: BroadcastOptions,
    pub(super) bytes: usize,
}

impl Broadcast {
    /// `None` for everything else.
    pub(super) fn read(request: &[u8]) -> Option<Self> {
        let (&fields, request) = request.split_first()?;
        if !(0x96..=0x9f).contains(&fields) {
            return None;
        }
        let node = rmp_serde::from_slice(request).ok()?;
        let (_, request) = skip(request)?;
        let (_, request) = skip(request)?;
        let (&kind, request) = request.split_first()?;
        if !BROADCASTS.contains(&kind) {
            return None;
        }
        let (bytes, request) = skip(request)?;
        let (_, request) = skip(request)?;
        let options: Option<BroadcastOptions> = rmp_serde::from_slice(request).ok()?;
        Some(Self { node, options: options?, bytes: bytes.saturating_sub(BESIDE) })
    }
}

/// Skips one value. How many entries its lists have and bytes its texts, and what follows.
fn skip(mut rest: &[u8]) -> Option<(usize, &[u8])> {
    let (mut values, mut size) = (1_usize, 0_usize);
    while values > 0 {
        values -= 1;
        let (&marker, behind) = rest.split_first()?;
        rest = behind;
        let (bytes, more) = match marker {
            0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => continue,
            0x80..=0x8f => (0, 2 * usize::from(marker & 0x0f)),
            0x90..=0x9f => (0, usize::from(marker & 0x0f)),
            0xa0..=0xbf => (usize::from(marker & 0x1f), 0),
            0xc4 | 0xd9 => (length::<1>(&mut rest)?, 0),
            0xc5 | 0xda => (length::<2>(&mut rest)?, 0),
            0xc6 | 0xdb => (length::<4>(&mut rest)?, 0),
            0xc7 => (length::<1>(&mut rest)? + 1, 0),
            0xc8 => (length::<2>(&mut rest)? + 1, 0),
            0xc9 => (length::<4>(&mut rest)? + 1, 0),
            0xcc | 0xd0 => (1, 0),
            0xcd | 0xd1 | 0xd4 => (2, 0),
            0xca | 0xce | 0xd2 => (4, 0),
            0xcb | 0xcf | 0xd3 => (8, 0),
            0xd5 => (3, 0),
            0xd6 => (5, 0),
            0xd7 => (9, 0),
            0xd8 => (17, 0),
            0xdc => (0, length::<2>(&mut rest)?),
            0xdd => (0, length::<4>(&mut rest)?),
            0xde => (0, length::<2>(&mut rest)?.saturating_mul(2)),
            0xdf => (0, length::<4>(&mut rest)?.saturating_mul(2)),
            0xc1 => return None,
        };
        rest = rest.get(bytes..)?;
        values = values.saturating_add(more);
        // A number is counted with its list.
        let is_text = matches!(marker, 0xa0..=0xbf | 0xc4..=0xc6 | 0xd9..=0xdb);
        size = size.saturating_add(if is_text { bytes } else { more });
    }
    Some((size, rest))
}

fn length<const N: usize>(rest: &mut &[u8]) -> Option<usize> {
    let (bytes, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(bytes.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use socketioxide_core::adapter::remote_packet::{RequestOut, RequestTypeOut};
    use socketioxide_core::packet::Packet;
    use socketioxide_core::{Sid, Str, Value};

    use super::*;
    use crate::audience::bytes_in;

    fn written(r#type: RequestTypeOut<'_>, options: &BroadcastOptions) -> Vec<u8> {
        rmp_serde::to_vec(&RequestOut::new(Uid::new(), r#type, options)).unwrap()
    }

    proptest! {
        #[test]
        fn broadcasts_are_weighed(text: String, attachments: Vec<Vec<u8>>, room: String) {
            let mut options = BroadcastOptions::new(Sid::new());
            options.rooms.push(room.into());
            let attachments = attachments.into_iter().map(Into::into).collect();
            let packet = Packet::event("/", Value::Str(Str::from(text), Some(attachments)));
            let least = bytes_in(&packet);
            for broadcast in [RequestTypeOut::Broadcast(&packet), RequestTypeOut::BroadcastWithAck(&packet)] {
                let read = Broadcast::read(&written(broadcast, &options)).unwrap();
                prop_assert_eq!(&read.options, &options);
                // Each attachment is a value of its own, which weighs one.
                prop_assert!(read.bytes <= least + attachments_of(&packet), "{} {least}", read.bytes);
                prop_assert!(read.bytes + BESIDE >= least);
            }
        }

        #[test]
        fn any_bytes_will_do(bytes: Vec<u8>) {
            Broadcast::read(&bytes);
        }
    }

    fn attachments_of(packet: &Packet) -> usize {
        match &packet.inner {
            socketioxide_core::packet::PacketData::BinaryEvent(Value::Str(_, some), _) => {
                some.iter().flatten().count()
            }
            _ => 0,
        }
    }

    #[test]
    fn other_requests_are_none() {
        let options = BroadcastOptions::new(Sid::new());
        for other in [RequestTypeOut::AllRooms, RequestTypeOut::DisconnectSockets] {
            assert_eq!(Broadcast::read(&written(other, &options)), None);
        }
    }
}
