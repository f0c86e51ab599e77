//! What the engine says first to a client that has opened a session over a WebSocket: the packet "open"
//! with the session's id, and, when the client has joined a namespace, Socket.IO's packet "connect".

use socketioxide::socket::Sid;

/// The engine's packet "open", and what says that a client has joined: a message with "connect".
const OPEN: &[u8] = b"0";
const JOINED: &[u8] = b"40";

/// As many bytes are looked at: the packet "open" is short. Where there are more, the client counts as joined.
const MOST: usize = 4096;

/// Follows the first messages.
#[derive(Debug, Default)]
pub(super) struct Opening {
    bytes: Vec<u8>,
    looked_at: usize,
    named: bool,
    done: bool,
}

impl Opening {
    /// Looks at what was written, and tells the session's id when it comes.
    pub(super) fn follow(&mut self, bytes: &[u8], named: impl FnOnce(Sid)) {
        let rest = MOST.saturating_sub(self.bytes.len()).min(bytes.len());
        self.bytes.extend_from_slice(&bytes[..rest]);
        let mut id = None;
        while let Some(message) = self.next() {
            if message.starts_with(JOINED) {
                self.done = true;
            } else if let Some(open) = message.strip_prefix(OPEN)
                && !self.named
            {
                id = id_of(open);
                self.named = true;
            }
        }
        self.done |= self.bytes.len() >= MOST;
        if let Some(id) = id {
            named(id);
        }
    }

    pub(super) fn is_named(&self) -> bool {
        self.named
    }

    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// The payload of the next frame that is there as a whole. A server's frames have no mask.
    fn next(&mut self) -> Option<Vec<u8>> {
        let rest = self.bytes.get(self.looked_at..)?;
        let (length, payload) = match *rest {
            [_, 126, high, low, ref payload @ ..] => {
                (usize::from(u16::from_be_bytes([high, low])), payload)
            }
            [_, length @ 0..126, ref payload @ ..] => (usize::from(length), payload),
            _ => return None,
        };
        let message = payload.get(..length)?.to_vec();
        self.looked_at += rest.len() - payload.len() + length;
        Some(message)
    }
}

fn id_of(open: &[u8]) -> Option<Sid> {
    #[derive(serde::Deserialize)]
    struct Open {
        sid: Sid,
    }
    serde_json::from_slice::<Open>(open).ok().map(|open| open.sid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_and_the_joining_are_seen_however_the_bytes_come() {
        let id = Sid::new();
        let open = format!(r#"0{{"sid":"{id}","upgrades":[],"pingInterval":25000}}"#);
        let connect = format!(r#"40{{"sid":"{id}"}}"#);
        let mut bytes = Vec::new();
        for message in [&open, "2", &connect] {
            bytes.extend([0x81, u8::try_from(message.len()).unwrap()]);
            bytes.extend(message.bytes());
        }
        for step in [1, 7, bytes.len()] {
            let (mut opening, mut seen) = (Opening::default(), None);
            let mut parts = bytes.chunks(step).peekable();
            while let Some(part) = parts.next() {
                assert!(!opening.is_done());
                opening.follow(part, |id| seen = Some(id));
                assert_eq!(opening.is_done(), parts.peek().is_none());
            }
            assert_eq!(seen, Some(id));
        }
    }

    #[test]
    fn it_ends_at_some_time() {
        let mut opening = Opening::default();
        for _ in 0..MOST {
            opening.follow(&[0x81, 1, b'2'], |_| unreachable!());
        }
        assert!(opening.is_done());
    }
}
