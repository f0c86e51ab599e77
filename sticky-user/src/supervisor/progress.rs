//! What becomes of a reload, step by step: the lines that `POST /reload` answers with.

use serde::{Deserialize, Serialize};
use sticky_contract::SlotId;

/// A step of a reload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "step")]
pub(crate) enum Progress {
    /// A new worker starts beside the one that serves.
    Starting {
        /// The slot.
        slot: SlotId,
    },
    /// It serves, and its predecessor drains.
    Serving {
        /// The slot.
        slot: SlotId,
        /// The new worker.
        pid: Option<u32>,
    },
    /// Its predecessor has gone, and it has stayed and taken the connections that came.
    Replaced {
        /// The slot.
        slot: SlotId,
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
        slot: SlotId,
        /// Why.
        why: String,
    },
    /// A new worker said READY=1 and then did not stay, or takes no connections. It was the slot's
    /// only one by then; the slots that are left keep their workers.
    Stopped {
        /// The slot.
        slot: SlotId,
        /// What became of its new worker.
        why: String,
        /// How many slots are left.
        left: usize,
    },
}
