//! Kinds of slow clients.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

/// What a client is slow with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
pub(crate) enum Kind {
    /// No slow clients: the undisturbed neighbour once more, which shows the noise
    Nobody,
    /// The head of a request, which never ends
    Head,
    /// The body of a request, which comes one byte a second
    Body,
    /// The answer, which is large and is not read
    Answer,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Nobody, Self::Head, Self::Body, Self::Answer];

    /// How many clients there are by default.
    pub(crate) fn clients(self) -> usize {
        match self {
            Self::Nobody => 0,
            Self::Head => 5000,
            Self::Body | Self::Answer => 1000,
        }
    }

    /// What is sent as soon as the connection is open.
    pub(crate) fn opening(self) -> &'static [u8] {
        match self {
            Self::Nobody => b"",
            Self::Head => b"GET /whoami HTTP/1.1\r\nHost: bench\r\nX-Slow: ",
            Self::Body => b"POST /taken HTTP/1.1\r\nHost: bench\r\nContent-Length: 100000\r\n\r\n",
            Self::Answer => b"GET /large HTTP/1.1\r\nHost: bench\r\n\r\n",
        }
    }

    /// What a worker gives such a client by default, from its connection on.
    pub(crate) fn limit(self) -> Duration {
        Duration::from_secs(match self {
            Self::Nobody => 0,
            Self::Head => 10,
            Self::Body => 20,
            // Two windows of 30 s: in the first one the kernel has taken more than the least.
            Self::Answer => 60,
        })
    }

    /// Kilobytes (1024 bytes) by which the worker may grow for one of them.
    pub(crate) fn bound(self) -> f64 {
        match self {
            Self::Nobody => 0.0,
            Self::Head => 16.0,
            Self::Body => 64.0,
            // hyper gathers 400 kB, and a piece more.
            Self::Answer => 512.0,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "nobody",
            Self::Head => "heads that do not end",
            Self::Body => "bodies, a byte a second",
            Self::Answer => "large answers, not read",
        })
    }
}
