//! The names of the modes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How a connection gets to its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// An eBPF program picks the listener in the kernel. Needs `CAP_BPF`.
    Ebpf,
    /// A classic BPF program picks the listener in the kernel. Needs no privilege.
    Cbpf,
    /// The supervisor accepts and passes the connection to the worker.
    FdPassing,
}

impl Mode {
    /// All modes, the best first.
    pub const ALL: [Self; 3] = [Self::Ebpf, Self::Cbpf, Self::FdPassing];

    /// Its name on the command line, in logs and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ebpf => "ebpf",
            Self::Cbpf => "cbpf",
            Self::FdPassing => "fd-passing",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a person asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModeChoice {
    /// The best that the host allows.
    Auto,
    /// This one, or an error.
    Only(Mode),
}

/// The text names no mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the modes are auto, ebpf, cbpf and fd-passing")]
pub struct ModeError;

impl FromStr for ModeChoice {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, ModeError> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let mode = Mode::ALL.into_iter().find(|mode| mode.name() == text);
        mode.map(Self::Only).ok_or(ModeError)
    }
}
