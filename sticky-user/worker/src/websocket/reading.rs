//! What a client sends over a WebSocket.

use std::task::Context;

use tokio::io::ReadBuf;

use super::Websocket;
use super::frames::{CLOSE, Frames, PONG};

/// A client that upgrades a session to a WebSocket sends a probe, and that it goes over.
const UPGRADE: u64 = 2;

/// What is known of what was read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    frames: Frames,
    /// The packet "close" was put there.
    closed: bool,
}

impl Reading {
    /// Notes what has been read.
    pub(super) fn has_read(&mut self, websocket: &Websocket, bytes: &[u8]) {
        let before = self.frames.messages();
        self.frames.follow(bytes);
        if (before..self.frames.messages()).contains(&(UPGRADE - 1)) && websocket.is_upgrading() {
            websocket.has_begun();
        }
    }

    /// Puts the packet "close" into `buf`, if the session is to be closed and this is the place. If
    /// it is not to be closed yet, `cx` is woken when it is.
    pub(super) fn closes(
        &mut self,
        websocket: &Websocket,
        cx: &Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> bool {
        // Told in the middle of a message, it is asked again when the rest has come.
        let closes = !self.closed
            && websocket.is_to_close(cx)
            && self.frames.between_messages()
            && buf.remaining() >= CLOSE.len();
        if closes {
            buf.put_slice(&CLOSE);
            self.closed = true;
        }
        closes
    }

    /// Puts the packet "pong" into `buf`, if this is the place. Otherwise gives how many bytes can be
    /// read until it may be; `None` if that is not known.
    pub(super) fn pongs(&self, websocket: &Websocket, buf: &mut ReadBuf<'_>) -> Option<u64> {
        if self.closed || websocket.is_upgrading() || buf.remaining() < PONG.len() {
            return None;
        }
        if !self.frames.between_messages() {
            return Some(self.frames.to_come());
        }
        buf.put_slice(&PONG);
        Some(0)
    }

    pub(super) fn has_closed(&self) -> bool {
        self.closed
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Waker;

    use sticky_bus::backlog::{Backlog, Backlogs};
    use tokio_util::task::TaskTracker;

    use super::*;

    const HALF: &[u8] = &[0x81, 0x82, 0, 0, 0, 0, b'4'];

    fn closes(reading: &mut Reading, websocket: &Websocket) -> bool {
        let mut space = [0; 100];
        let mut buf = ReadBuf::new(&mut space);
        let closes = reading.closes(websocket, &Context::from_waker(Waker::noop()), &mut buf);
        assert_eq!(buf.filled(), if closes { &CLOSE[..] } else { b"" });
        closes
    }

    fn account() -> Arc<Backlog> {
        Backlog::new(&Backlogs::new(1024))
    }

    /// Of a client that has joined.
    fn websocket() -> Arc<Websocket> {
        let websocket = Websocket::opening(account(), TaskTracker::new().token());
        websocket.has_begun();
        websocket
    }

    #[test]
    fn closed_between_two_messages_and_once() {
        let (websocket, mut reading) = (websocket(), Reading::default());
        reading.has_read(&websocket, HALF);
        assert!(!closes(&mut reading, &websocket));
        websocket.close();
        assert!(!closes(&mut reading, &websocket), "in the middle of a message");
        reading.has_read(&websocket, b"0");
        assert!(closes(&mut reading, &websocket) && reading.has_closed());
        assert!(!closes(&mut reading, &websocket));
    }

    #[test]
    fn a_beginning_is_not_cut_short() {
        let tokens = TaskTracker::new();
        let (upgrading, mut reading) =
            (Websocket::upgrading(account(), tokens.token()), Reading::default());
        upgrading.close();
        reading.has_read(&upgrading, &[HALF, b"0"].concat());
        assert!(!closes(&mut reading, &upgrading));
        reading.has_read(&upgrading, HALF);
        reading.has_read(&upgrading, b"0");
        assert!(closes(&mut reading, &upgrading) && tokens.is_empty());

        let (opening, mut reading) =
            (Websocket::opening(account(), tokens.token()), Reading::default());
        opening.close();
        assert!(!closes(&mut reading, &opening), "the client has not joined");
        opening.has_begun();
        assert!(closes(&mut reading, &opening));
    }

    #[test]
    fn a_pong_is_put_between_two_messages() {
        let (websocket, mut reading) = (websocket(), Reading::default());
        let mut space = [0; 100];
        let mut buf = ReadBuf::new(&mut space);
        // As much is read as can come until the message ends, and no more.
        let message = [HALF, b"0"].concat();
        let mut rest = &message[..];
        reading.has_read(&websocket, &rest[..1]);
        rest = &rest[1..];
        while !rest.is_empty() {
            let few = usize::try_from(reading.pongs(&websocket, &mut buf).unwrap()).unwrap();
            assert!((1..=rest.len()).contains(&few) && buf.filled().is_empty(), "{few}");
            reading.has_read(&websocket, &rest[..few]);
            rest = &rest[few..];
        }
        assert_eq!(reading.pongs(&websocket, &mut buf), Some(0));
        assert_eq!(buf.filled(), PONG);
    }
}
