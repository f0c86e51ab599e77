//! What workers say to each other, as bytes. No input or output in here.
//!
//! ```text
//! frame     length: u32, big-endian, of what follows │ kind: u8 │ fields
//! channel   length: u16, big-endian │ UTF-8
//! ```

use serde::Serialize;
use sticky_contract::{SlotId, SlotIdError};

/// The largest frame, in bytes: far more than any Socket.IO message that fits a worker's memory.
pub(super) const MAX_FRAME: usize = 64 << 20;

/// The largest greeting: what may come from a program that has not said yet who it is.
pub(super) const MAX_GREETING: usize = 1 + size_of::<u64>() + size_of::<u32>();

/// The largest frame from a subscriber.
pub(super) const MAX_REQUEST: usize = 1 + size_of::<u16>() + u16::MAX as usize;

/// Bytes in front of each frame.
pub(super) const LENGTH: usize = size_of::<u32>();

/// What a message's content takes, usually.
const CONTENT: usize = 256;

/// What one worker says to another. The subscriber has opened the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// Subscriber: the worker that opens the link.
    Hello { node: u64, slot: SlotId },
    /// Instead of `Hello`, on a connection of its own: this worker, of that slot, has closed its link to
    /// `subscriber` with messages that it had not written.
    Missed { subscriber: u64, slot: SlotId },
    /// Publisher: the worker that accepted it.
    Welcome { node: u64 },
    /// Subscriber: send me this channel's messages.
    Subscribe(String),
    /// Subscriber: send them no longer.
    Unsubscribe(String),
    /// Subscriber: tell me when all that I said stands.
    Sync,
    /// Publisher: it stands.
    Synced,
    /// Publisher: a message.
    Message { channel: String, payload: Vec<u8> },
}

const HELLO: u8 = 1;
const WELCOME: u8 = 2;
const SUBSCRIBE: u8 = 3;
const UNSUBSCRIBE: u8 = 4;
const SYNC: u8 = 5;
const SYNCED: u8 = 6;
const MESSAGE: u8 = 7;
const MISSED: u8 = 8;

/// Bytes that are no frame, or a frame that is too large.
#[derive(Debug, thiserror::Error)]
#[cfg_attr(test, derive(PartialEq))]
pub(crate) enum FrameError {
    /// The bytes end within the frame.
    #[error("a frame of the bus is cut short")]
    Short,
    /// There are bytes behind the frame.
    #[error("a frame of the bus is too long")]
    Long,
    /// No such kind of frame.
    #[error("a frame of the bus is of the unknown kind {0}")]
    Unknown(u8),
    /// A channel's name is not UTF-8.
    #[error("a frame of the bus names a channel that is not text")]
    NotText,
    /// No server has such a slot.
    #[error("a frame of the bus names a slot that cannot be: {0}")]
    Slot(#[from] SlotIdError),
    /// More than a frame may hold.
    #[error("{0} bytes are too many for the bus, which carries {MAX_FRAME} at a time")]
    TooLarge(usize),
    /// What a message says is not made for the bus.
    #[error("a message for the bus cannot be encoded: {0}")]
    Encoding(String),
}

impl Frame {
    /// The bytes, length in front.
    pub(super) fn encode(&self) -> Result<Vec<u8>, FrameError> {
        let mut bytes = vec![0; LENGTH];
        match self {
            Self::Hello { node, slot } => {
                bytes.push(HELLO);
                bytes.extend(node.to_be_bytes());
                bytes.extend(slot.get().to_be_bytes());
            }
            Self::Missed { subscriber, slot } => {
                bytes.push(MISSED);
                bytes.extend(subscriber.to_be_bytes());
                bytes.extend(slot.get().to_be_bytes());
            }
            Self::Welcome { node } => {
                bytes.push(WELCOME);
                bytes.extend(node.to_be_bytes());
            }
            Self::Subscribe(channel) => {
                bytes.push(SUBSCRIBE);
                put_channel(&mut bytes, channel)?;
            }
            Self::Unsubscribe(channel) => {
                bytes.push(UNSUBSCRIBE);
                put_channel(&mut bytes, channel)?;
            }
            Self::Sync => bytes.push(SYNC),
            Self::Synced => bytes.push(SYNCED),
            Self::Message { channel, payload } => return message(channel, payload),
        }
        finish(bytes)
    }

    /// The frame whose bytes, without the length in front, these are.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let (&kind, mut rest) = bytes.split_first().ok_or(FrameError::Short)?;
        let frame = match kind {
            HELLO => Self::Hello {
                node: u64::from_be_bytes(take(&mut rest)?),
                slot: u32::from_be_bytes(take(&mut rest)?).try_into()?,
            },
            MISSED => Self::Missed {
                subscriber: u64::from_be_bytes(take(&mut rest)?),
                slot: u32::from_be_bytes(take(&mut rest)?).try_into()?,
            },
            WELCOME => Self::Welcome { node: u64::from_be_bytes(take(&mut rest)?) },
            SUBSCRIBE => Self::Subscribe(take_channel(&mut rest)?),
            UNSUBSCRIBE => Self::Unsubscribe(take_channel(&mut rest)?),
            SYNC => Self::Sync,
            SYNCED => Self::Synced,
            MESSAGE => {
                let channel = take_channel(&mut rest)?;
                let payload = std::mem::take(&mut rest).to_vec();
                Self::Message { channel, payload }
            }
            kind => return Err(FrameError::Unknown(kind)),
        };
        if rest.is_empty() { Ok(frame) } else { Err(FrameError::Long) }
    }
}

/// The bytes of a [`Frame::Message`], for a payload that is not to be copied more than once.
pub(super) fn message(channel: &str, payload: &[u8]) -> Result<Vec<u8>, FrameError> {
    let mut bytes = begin_message(channel, payload.len())?;
    bytes.extend(payload);
    finish(bytes)
}

/// The bytes of a [`Frame::Message`] whose payload is `content`, encoded where it belongs.
pub(super) fn message_of(channel: &str, content: &impl Serialize) -> Result<Vec<u8>, FrameError> {
    let mut bytes = begin_message(channel, CONTENT)?;
    rmp_serde::encode::write(&mut bytes, content)
        .map_err(|error| FrameError::Encoding(error.to_string()))?;
    finish(bytes)
}

fn begin_message(channel: &str, payload: usize) -> Result<Vec<u8>, FrameError> {
    let mut bytes = Vec::with_capacity(LENGTH + 3 + channel.len() + payload);
    bytes.extend([0; LENGTH]);
    bytes.push(MESSAGE);
    put_channel(&mut bytes, channel)?;
    Ok(bytes)
}

fn finish(mut bytes: Vec<u8>) -> Result<Vec<u8>, FrameError> {
    let length = bytes.len() - LENGTH;
    let field = u32::try_from(length).ok().filter(|_| length <= MAX_FRAME);
    let field = field.ok_or(FrameError::TooLarge(length))?;
    for (place, byte) in bytes.iter_mut().zip(field.to_be_bytes()) {
        *place = byte;
    }
    Ok(bytes)
}

fn put_channel(bytes: &mut Vec<u8>, channel: &str) -> Result<(), FrameError> {
    let length = u16::try_from(channel.len()).map_err(|_| FrameError::TooLarge(channel.len()))?;
    bytes.extend(length.to_be_bytes());
    bytes.extend(channel.as_bytes());
    Ok(())
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], FrameError> {
    let (&first, rest) = bytes.split_first_chunk().ok_or(FrameError::Short)?;
    *bytes = rest;
    Ok(first)
}

fn take_channel(bytes: &mut &[u8]) -> Result<String, FrameError> {
    let length = usize::from(u16::from_be_bytes(take(bytes)?));
    let (channel, rest) = bytes.split_at_checked(length).ok_or(FrameError::Short)?;
    *bytes = rest;
    String::from_utf8(channel.to_vec()).map_err(|_| FrameError::NotText)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_slot() -> impl Strategy<Value = SlotId> {
        any::<u8>().prop_map(|number| SlotId::try_from(u32::from(number)).unwrap())
    }

    fn any_frame() -> impl Strategy<Value = Frame> {
        prop_oneof![
            (any::<u64>(), any_slot()).prop_map(|(node, slot)| Frame::Hello { node, slot }),
            (any::<u64>(), any_slot())
                .prop_map(|(subscriber, slot)| Frame::Missed { subscriber, slot }),
            any::<u64>().prop_map(|node| Frame::Welcome { node }),
            any::<String>().prop_map(Frame::Subscribe),
            any::<String>().prop_map(Frame::Unsubscribe),
            Just(Frame::Sync),
            Just(Frame::Synced),
            (any::<String>(), any::<Vec<u8>>())
                .prop_map(|(channel, payload)| Frame::Message { channel, payload }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_said_is_heard(frame in any_frame()) {
            let bytes = frame.encode().unwrap();
            let (length, rest) = bytes.split_first_chunk().unwrap();
            prop_assert_eq!(u32::from_be_bytes(*length) as usize, rest.len());
            prop_assert_eq!(Frame::decode(rest).unwrap(), frame);
        }

        #[test]
        fn content_is_encoded_as_a_payload(channel: String, content: Vec<String>) {
            let payload = rmp_serde::to_vec(&content).unwrap();
            prop_assert_eq!(message_of(&channel, &content), message(&channel, &payload));
        }

        #[test]
        fn any_bytes_are_a_frame_or_an_error(bytes: Vec<u8>) {
            if let Ok(frame) = Frame::decode(&bytes) {
                prop_assert_eq!(&frame.encode().unwrap()[LENGTH..], &bytes[..]);
            }
        }
    }

    #[test]
    fn limits() {
        let long_name = "x".repeat(70_000);
        assert_eq!(Frame::Subscribe(long_name).encode(), Err(FrameError::TooLarge(70_000)));
        let longest_name = "x".repeat(usize::from(u16::MAX));
        let request = Frame::Subscribe(longest_name).encode().unwrap();
        assert_eq!(request.len(), LENGTH + MAX_REQUEST);
        let hello = Frame::Hello { node: 1, slot: SlotId::FIRST }.encode().unwrap();
        assert_eq!(hello.len(), LENGTH + MAX_GREETING);
        let payload = vec![0; MAX_FRAME];
        assert!(matches!(message("c", &payload), Err(FrameError::TooLarge(_))));
        assert_eq!(Frame::decode(&[]), Err(FrameError::Short));
        assert_eq!(Frame::decode(&[SYNC, 0]), Err(FrameError::Long));
        assert_eq!(Frame::decode(&[99]), Err(FrameError::Unknown(99)));
        assert_eq!(Frame::decode(&[SUBSCRIBE, 0, 1, 0xff]), Err(FrameError::NotText));
        let no_slot = [&[HELLO][..], &[0; 8], &256_u32.to_be_bytes()].concat();
        let error = SlotId::try_from(256).unwrap_err();
        assert_eq!(Frame::decode(&no_slot), Err(FrameError::Slot(error)));
    }
}
