//! What supervisor and keeper say to each other: a line of JSON per message, at most one
//! descriptor with it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use serde::{Deserialize, Serialize};

use sticky_sys::message;

/// The longest message: notes grow with the number of workers. The kernel's default send buffer
/// takes it.
const LONGEST: usize = 192 * 1024;

/// To the keeper, and back.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Message {
    /// Keep the descriptor that comes along, in place of an earlier one of this name.
    Keep(String),
    /// Close the descriptor of this name.
    Forget(String),
    /// Remember this, in place of what was noted before.
    Note(String),
    /// Give everything back: [`Message::Keep`] for each, then [`Message::Note`].
    Take,
    /// Say whether all was taken that was told before.
    Ping,
    /// All was taken.
    Pong,
    /// Close everything and end.
    Leave,
}

pub(super) fn send(
    socket: impl AsFd,
    message: &Message,
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    if text.len() > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the message is too long"));
    }
    message::send(socket, &text, descriptor)
}

/// `None` when the other end has closed.
pub(super) fn receive(socket: impl AsFd) -> io::Result<Option<(Message, Option<OwnedFd>)>> {
    let mut text = vec![0; LONGEST];
    let (length, descriptor) = message::receive(socket, &mut text)?;
    if length == 0 {
        return Ok(None);
    }
    let message = serde_json::from_slice(text.get(..length).unwrap_or_default())?;
    Ok(Some((message, descriptor)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    fn pair() -> (OwnedFd, OwnedFd) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
    }

    #[test]
    fn a_message_arrives_whole() {
        let (near, far) = pair();
        send(&near, &Message::Keep("a".into()), Some(far.as_fd())).unwrap();
        send(&near, &Message::Note("x".repeat(100_000)), None).unwrap();
        let (message, descriptor) = receive(&far).unwrap().unwrap();
        assert!(message == Message::Keep("a".into()) && descriptor.is_some());
        let (message, descriptor) = receive(&far).unwrap().unwrap();
        assert!(message == Message::Note("x".repeat(100_000)) && descriptor.is_none());
        assert!(send(&near, &Message::Note("x".repeat(200_000)), None).is_err());
        drop(near);
        assert!(receive(&far).unwrap().is_none());
    }

    proptest! {
        /// Whatever arrives, it is a message or an error.
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
            let (near, far) = pair();
            message::send(&near, &bytes, None).unwrap();
            let _ = receive(&far);
        }
    }
}
