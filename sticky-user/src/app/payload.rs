//! What clients send and get, with the limits of it.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use socketioxide::socket::Sid;
use sticky_worker::SlotId;

/// The longest name of a room, in characters.
const MAX_ROOM: usize = 64;

/// The longest message, in characters.
const MAX_TEXT: usize = 2000;

/// `say`: a message to all members of a room.
#[derive(Deserialize)]
#[serde(expecting = "a room and a text")]
pub(super) struct Say {
    pub(super) room: String,
    pub(super) text: String,
}

/// `who`: the members of a room.
#[derive(Deserialize)]
#[serde(expecting = "a room")]
pub(super) struct Who {
    pub(super) room: String,
}

/// The name of a room, if it can be one: 1 to 64 characters.
pub(super) fn room(name: String) -> Result<String, Refusal> {
    within("the name of a room", MAX_ROOM, name)
}

/// A message, if it can be one: 1 to 2000 characters.
pub(super) fn text(text: String) -> Result<String, Refusal> {
    within("a message", MAX_TEXT, text)
}

fn within(what: &str, max: usize, text: String) -> Result<String, Refusal> {
    match text.chars().count() {
        0 => Err(format!("{what} must not be empty").into()),
        length if length > max => Err(format!("{what} has at most {max} characters").into()),
        _ => Ok(text),
    }
}

/// `welcome`: what a client gets first.
#[derive(Serialize)]
pub(super) struct Welcome {
    pub(super) slot: SlotId,
    pub(super) pid: u32,
    pub(super) id: Sid,
}

/// `said`: what the members of a room get.
#[derive(Serialize)]
pub(super) struct Said {
    pub(super) room: String,
    pub(super) text: String,
    pub(super) from: Sid,
    pub(super) slot: SlotId,
}

/// The answer to `say`.
#[derive(Serialize)]
pub(super) struct SaidBy {
    pub(super) slot: SlotId,
}

/// The answer to `whoami`.
#[derive(Serialize)]
pub(super) struct Connection {
    pub(super) slot: SlotId,
    pub(super) pid: u32,
    pub(super) peer: Option<SocketAddr>,
    pub(super) transport: &'static str,
}

/// The answer to what cannot be done.
#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    error: String,
}

impl<E: fmt::Display> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self { error: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_bounded_in_characters_not_bytes() {
        for (check, max) in [(room as fn(String) -> _, MAX_ROOM), (text, MAX_TEXT)] {
            let longest = "ß".repeat(max);
            assert_eq!(check(longest.clone()).unwrap(), longest);
            let refusal = check(longest + "ß").unwrap_err();
            assert!(refusal.error.contains(&max.to_string()), "{refusal:?}");
            check(String::new()).unwrap_err();
        }
    }

    #[test]
    fn a_refusal_is_told_as_an_error() {
        let refusal = serde_json::to_string(&room(String::new()).unwrap_err()).unwrap();
        assert_eq!(refusal, r#"{"error":"the name of a room must not be empty"}"#);
    }
}
