//! Kinds of connection.

use std::fmt;

use clap::ValueEnum;
use serde::Serialize;

/// What is held open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
pub(crate) enum Kind {
    /// A WebSocket that was opened as such
    Websocket,
    /// A WebSocket of a session that began with polling; the connection that it polled over is closed
    Upgraded,
    /// A long-polling session, with a poll that waits for its answer
    Polling,
    /// An HTTP connection that has had one answer
    Http,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Websocket, Self::Upgraded, Self::Polling, Self::Http];

    /// Whether the server asks such a client whether it is there.
    pub(crate) fn has_pings(self) -> bool {
        self != Self::Http
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Websocket => "WebSocket",
            Self::Upgraded => "WebSocket, upgraded from polling",
            Self::Polling => "polling session, its poll waiting",
            Self::Http => "kept-alive HTTP connection",
        })
    }
}
