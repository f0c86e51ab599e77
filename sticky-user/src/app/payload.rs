//! What clients send and get, with the limits of it.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use socketioxide::socket::Sid;

/// The longest name of a room, in characters.
const MAX_ROOM: usize = 64;

/// The longest message, in characters.
const MAX_TEXT: usize = 2000;

/// The name of a room: 1 to 64 characters.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Room(pub(super) String);

/// A message: 1 to 2000 characters.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Text(pub(super) String);

impl TryFrom<String> for Room {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        within("the name of a room", MAX_ROOM, &name)?;
        Ok(Self(name))
    }
}

impl TryFrom<String> for Text {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        within("a message", MAX_TEXT, &text)?;
        Ok(Self(text))
    }
}

fn within(what: &str, max: usize, text: &str) -> Result<(), String> {
    // One more than allowed tells enough: the text may be long.
    match text.chars().take(max + 1).count() {
        0 => Err(format!("{what} must not be empty")),
        length if length > max => Err(format!("{what} has at most {max} characters")),
        _ => Ok(()),
    }
}

/// `say`: a message to all members of a room.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Say {
    pub(super) room: Room,
    pub(super) text: Text,
}

/// `who`: the members of a room.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Who {
    pub(super) room: Room,
}

/// `welcome`: what a client gets first.
#[derive(Serialize)]
pub(super) struct Welcome {
    pub(super) slot: u32,
    pub(super) pid: u32,
    pub(super) id: Sid,
}

/// `said`: what the members of a room get.
#[derive(Serialize)]
pub(super) struct Said {
    pub(super) room: String,
    pub(super) text: String,
    pub(super) from: Sid,
    pub(super) slot: u32,
}

/// The answer to `say`.
#[derive(Serialize)]
pub(super) struct SaidBy {
    pub(super) slot: u32,
}

/// The answer to `whoami`.
#[derive(Serialize)]
pub(super) struct Connection {
    pub(super) slot: u32,
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
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn lengths_are_bounded_in_characters_not_bytes() {
        let longest = "ß".repeat(MAX_ROOM);
        assert_eq!(from_value::<Room>(json!(longest)).unwrap(), Room(longest.clone()));
        for bad in [json!(""), json!(longest + "ß"), json!(7), json!(null), json!(["a"])] {
            from_value::<Room>(bad).unwrap_err();
        }
        let longest = "ß".repeat(MAX_TEXT);
        let said = from_value::<Say>(json!({ "room": "a", "text": longest })).unwrap();
        assert_eq!(said, Say { room: Room("a".into()), text: Text(longest.clone()) });
        for bad in [json!({ "room": "a" }), json!({ "room": "a", "text": longest + "ß" })] {
            from_value::<Say>(bad).unwrap_err();
        }
    }

    #[test]
    fn a_refusal_tells_the_limit() {
        let error = from_value::<Room>(json!("x".repeat(65))).unwrap_err();
        let answer = serde_json::to_value(Refusal::from(error)).unwrap();
        assert_eq!(answer, json!({ "error": "the name of a room has at most 64 characters" }));
    }
}
