//! What `sticky status --json` prints.

use serde::Deserialize;

use super::Mode;

/// A supervisor and its slots.
#[derive(Debug, Deserialize)]
#[allow(missing_docs, reason = "named as in the JSON, which the product documents")]
pub struct Status {
    pub version: String,
    pub listen: std::net::SocketAddr,
    pub mode: Mode,
    pub workers: u32,
    pub pid: u32,
    pub foreign_listeners: Vec<ForeignListener>,
    pub takeovers: u32,
    pub rolled_back: Option<String>,
    pub refused: Vec<Refused>,
    pub slots: Vec<Slot>,
    pub counters: Option<Counters>,
}

/// A socket of another program on the port.
#[derive(Debug, Deserialize)]
#[allow(missing_docs, reason = "named as in the JSON, which the product documents")]
pub struct ForeignListener {
    pub listen: std::net::SocketAddr,
    pub uid: u32,
    pub socket: u64,
    pub harmful: bool,
    pub effect: String,
}

/// A mode that the host refused.
#[derive(Debug, Deserialize)]
#[allow(missing_docs, reason = "named as in the JSON, which the product documents")]
pub struct Refused {
    pub mode: Mode,
    pub why: String,
}

/// One slot.
#[derive(Debug, Deserialize)]
#[allow(clippy::struct_field_names, reason = "named as in the JSON")]
#[allow(missing_docs, reason = "named as in the JSON, which the product documents")]
pub struct Slot {
    pub slot: u32,
    pub state: String,
    pub pid: Option<u32>,
    pub other_pid: Option<u32>,
    pub restarts: u64,
    pub uptime_seconds: Option<f64>,
    pub away: bool,
    pub steered: Option<u64>,
    pub queue: Option<u32>,
    pub queue_limit: Option<u32>,
    pub bus: Option<Bus>,
}

/// How a worker's bus is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "named as in the JSON, which the product documents")]
pub struct Bus {
    pub up: bool,
    pub peers: u16,
    pub reconnects: u64,
    pub dropped: u64,
    pub disconnected: u64,
}

/// What was decided so far.
#[derive(Debug, Deserialize)]
#[allow(missing_docs, reason = "named as in the JSON, which the product documents")]
pub struct Counters {
    pub runs: u64,
    pub other_protocol: u64,
    pub unreadable: u64,
    pub no_bucket: u64,
    pub slots: Vec<SlotCounters>,
}

/// What was decided for one slot.
#[derive(Debug, Deserialize)]
#[allow(missing_docs, reason = "named as in the JSON, which the product documents")]
pub struct SlotCounters {
    pub selected: u64,
    pub empty: u64,
    pub refused: u64,
}

impl Counters {
    /// Connections given to a slot. Asserts that the stages add up, with nothing dropped.
    pub fn selected(&self) -> u64 {
        let sum = |count: fn(&SlotCounters) -> u64| self.slots.iter().map(count).sum::<u64>();
        let dropped = self.other_protocol + self.unreadable + self.no_bucket;
        let stages = dropped + sum(|slot| slot.selected + slot.empty + slot.refused);
        assert_eq!(self.runs, stages, "the stages add up: {self:?}");
        let selected = sum(|slot| slot.selected);
        assert_eq!(self.runs, selected, "none is dropped: {self:?}");
        selected
    }
}
