//! What becomes of a reload, step by step: the lines that `POST /reload` answers with.

use serde::{Deserialize, Serialize};

/// A step of a reload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "step")]
pub enum Progress {
    /// A new worker starts beside the one that serves.
    Starting {
        /// The slot.
        slot: u32,
    },
    /// It serves, and its predecessor drains.
    Serving {
        /// The slot.
        slot: u32,
        /// The new worker.
        pid: Option<u32>,
    },
    /// Its predecessor has gone.
    Replaced {
        /// The slot.
        slot: u32,
    },
    /// All workers have been replaced.
    Done {
        /// How many.
        workers: u32,
    },
    /// The new worker did not get ready. The one that serves goes on, and so do those of the slots
    /// that follow.
    Failed {
        /// The slot.
        slot: u32,
        /// Why.
        why: String,
    },
}
