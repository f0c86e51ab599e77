//! What goes out on a connection that becomes a WebSocket, as far as the session's account needs it.

use super::frames::Frames;
use super::websocket::{END_OF_HEAD, Websocket};

/// What a server says when it goes over to another protocol; all behind its head is frames.
const SWITCHING: &[u8] = b"HTTP/1.1 101";

/// As many bytes of a client are read while what it was sent waits for it: it shall be heard saying
/// that it is there, and not cause more and more to be sent.
const AHEAD: usize = 16 << 10;

/// What is known of what was written.
#[derive(Debug, Default)]
pub(super) struct Writing {
    frames: Option<Frames>,
    /// The kernel takes no more; so many bytes were read since.
    full: Option<usize>,
    /// It took no more at times since all was written.
    was_full: bool,
}

impl Writing {
    /// Notes what was written.
    pub(super) fn wrote(&mut self, websocket: &Websocket, bytes: &[u8]) {
        self.full = None;
        let Some(backlog) = websocket.backlog() else { return };
        let Some(frames) = &mut self.frames else {
            if bytes.starts_with(SWITCHING) {
                let end = bytes.windows(END_OF_HEAD.len()).position(|part| part == END_OF_HEAD);
                let mut frames = Frames::default();
                frames.follow(
                    end.and_then(|end| bytes.get(end + END_OF_HEAD.len()..)).unwrap_or(&[]),
                );
                self.frames = Some(frames);
            }
            return;
        };
        let before = frames.messages();
        frames.follow(bytes);
        let messages = usize::try_from(frames.messages() - before).unwrap_or(usize::MAX);
        backlog.took(messages, bytes.len());
    }

    /// Whether the connection has become a WebSocket.
    pub(super) fn is_frames(&self) -> bool {
        self.frames.is_some()
    }

    /// All was written that there was. That tells nothing when the kernel took no more in between: then
    /// the WebSocket may have more.
    pub(super) fn flushed(&mut self, websocket: &Websocket) {
        if let Some(backlog) = websocket.backlog()
            && self.frames.is_some()
            && !self.was_full
        {
            backlog.drained();
        }
        self.was_full = false;
    }

    /// The kernel takes no more.
    pub(super) fn is_full(&mut self) {
        self.full.get_or_insert(0);
        self.was_full = true;
    }

    /// How many bytes were read.
    pub(super) fn read(&mut self, bytes: usize) {
        if let Some(ahead) = &mut self.full {
            *ahead += bytes;
        }
    }

    /// Whether the client is not to be read until it has taken something.
    pub(super) fn is_far_behind(&self) -> bool {
        self.frames.is_some() && self.full.is_some_and(|ahead| ahead >= AHEAD)
    }
}
