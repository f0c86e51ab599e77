//! What goes out over a WebSocket, as far as the session's account needs it.

use super::Websocket;
use super::frames::Frames;
use super::opening::Opening;

/// As many bytes of a client are read while what it was sent waits for it: it shall be heard saying
/// that it is there, and not cause more and more to be sent.
const AHEAD: usize = 16 << 10;

/// What is known of what was written.
#[derive(Debug, Default)]
pub(super) struct Writing {
    frames: Frames,
    /// The engine says which session this is, and that the client has joined.
    opening: Option<Box<Opening>>,
    /// The kernel takes no more; so many bytes were read since.
    full: Option<usize>,
    /// It took no more at times since all was written.
    was_full: bool,
}

impl Writing {
    pub(super) fn of(websocket: &Websocket) -> Self {
        Self { opening: websocket.is_opening().then(Box::default), ..Self::default() }
    }

    /// Notes what was written.
    pub(super) fn wrote(&mut self, websocket: &Websocket, bytes: &[u8]) {
        self.full = None;
        if let Some(opening) = &mut self.opening {
            opening.follow(bytes, |id| websocket.backlog.named(id));
            if opening.is_done() {
                self.opening = None;
                websocket.has_begun();
            }
        }
        let before = self.frames.messages();
        self.frames.follow(bytes);
        let messages = usize::try_from(self.frames.messages() - before).unwrap_or(usize::MAX);
        websocket.backlog.took(messages, bytes.len());
    }

    /// Whether the engine has said nothing yet.
    pub(super) fn is_silent(&self) -> bool {
        self.opening.as_ref().is_some_and(|opening| !opening.is_named())
    }

    /// All was written that there was. That tells nothing when the kernel took no more in between: then
    /// the WebSocket may have more.
    pub(super) fn flushed(&mut self, websocket: &Websocket) {
        if !self.was_full {
            websocket.backlog.drained();
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
        self.full.is_some_and(|ahead| ahead >= AHEAD)
    }
}
