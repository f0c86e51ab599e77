//! The servers that hold connections, each with one process that serves.

use std::fmt;

use anyhow::Result;
use clap::ValueEnum;
use harness::Mode;
use serde::Serialize;
use sticky_benches::servers::{Kind, Server};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
pub(crate) enum Choice {
    /// An application that does next to nothing on sticky's library, one worker of `sticky run`
    Sticky,
    /// The reference application, one worker of `sticky run`
    App,
    /// The application that does next to nothing on `axum::serve` and socketioxide
    Stock,
    /// Socket.IO's own server in Node.js
    Node,
}

impl Choice {
    pub(crate) const USUAL: [Self; 3] = [Self::Sticky, Self::Stock, Self::Node];

    pub(crate) fn start(self) -> Result<Server> {
        let kind = match self {
            Self::Sticky => Kind::LibraryUnderSticky(Mode::Ebpf),
            Self::App => Kind::Sticky(Mode::Ebpf),
            Self::Stock => Kind::Stock,
            Self::Node => Kind::NodeSocketIo,
        };
        kind.start(1)
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sticky => "sticky",
            Self::App => "sticky app",
            Self::Stock => "axum::serve, socketioxide",
            Self::Node => "Node, socket.io",
        })
    }
}
