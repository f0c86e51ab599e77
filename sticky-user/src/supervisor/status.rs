//! What a supervisor tells of itself: the answer of `GET /status` on the control socket.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use sticky_contract::SlotId;

use super::manifest::{Manifest, ManifestError};
use super::slot::WorkerId;
use crate::keeper::Vacancy;
use crate::listener::ForeignListener;
use crate::steering::{Counters, Mode};
use sticky_bus::Health;

/// A supervisor and its slots.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Status {
    /// The version of the program.
    pub version: String,
    /// The address that clients connect to.
    pub listen: SocketAddr,
    /// How connections get to their slots.
    pub mode: Mode,
    /// Better modes that this host refused.
    pub refused: Vec<Refused>,
    /// The number of slots.
    pub workers: u32,
    /// How much of an IPv6 address is the key, in bits.
    pub ipv6_prefix: u8,
    /// The supervisor's process.
    pub pid: u32,
    /// When that process ended, by RFC 3339, where none has taken over; then the rest is what it noted
    /// last.
    pub gone_since: Option<String>,
    /// How long it has run.
    pub uptime_seconds: f64,
    /// How many supervisors served the port before, and were killed or upgraded.
    pub takeovers: u32,
    /// Why the last upgrade was undone, where it was.
    pub rolled_back: Option<String>,
    /// Sockets of other programs that listen on the port.
    #[serde(default)]
    pub foreign_listeners: Vec<ForeignListenerStatus>,
    /// Each slot.
    pub slots: Vec<SlotStatus>,
    /// What was decided so far; `null` where the mode does not count.
    pub counters: Option<Counters>,
}

/// A socket of another program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ForeignListenerStatus {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The user that opened it.
    pub uid: u32,
    /// The number of the socket, as in `/proc/PID/fd`.
    pub socket: u64,
    /// Whether clients get to it instead of to their slot.
    pub harmful: bool,
    /// Which clients it gets, in words.
    pub effect: String,
}

impl ForeignListenerStatus {
    pub(super) fn of(foreign: &ForeignListener) -> Self {
        Self {
            listen: foreign.address,
            uid: foreign.uid,
            socket: foreign.inode,
            harmful: foreign.is_harmful(),
            effect: foreign.takes.to_string(),
        }
    }
}

/// A mode that the host refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Refused {
    /// The mode.
    pub mode: Mode,
    /// Why.
    pub why: String,
}

/// One slot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SlotStatus {
    /// Its number.
    pub slot: SlotId,
    /// Where it stands; `ready` when it is served.
    pub state: String,
    /// Its worker's process, when it has one.
    pub pid: Option<u32>,
    /// How long that worker has run.
    pub uptime_seconds: Option<f64>,
    /// The process of its successor, which starts, or of its predecessor, which drains.
    pub other_pid: Option<u32>,
    /// Workers started since one had died.
    pub restarts: u64,
    /// Whether others serve its clients, since it is without a worker for too long.
    pub away: bool,
    /// Connections brought here; `null` where the mode does not count.
    pub steered: Option<u64>,
    /// Connections that wait for the worker; `null` where the mode cannot tell.
    pub queue: Option<u32>,
    /// How many may wait.
    pub queue_limit: Option<u32>,
    /// How the worker's bus is doing; `null` for a worker that does not say.
    pub bus: Option<Health>,
}

impl Status {
    /// What is known where there is no supervisor.
    pub(crate) fn left(vacancy: &Vacancy) -> Result<Self, ManifestError> {
        let manifest = Manifest::read(&vacancy.note)?;
        let slots = manifest.slots.iter().map(|(slot, noted)| {
            let living = |id: Option<WorkerId>| {
                let mut workers = noted.workers.iter().filter(|it| Some(it.id) == id);
                workers.find(|it| vacancy.workers.contains(&it.pid))
            };
            let (main, other) = (living(noted.life.main()), living(noted.life.other()));
            SlotStatus {
                slot,
                state: if main.is_some() { "unattended" } else { "dead" }.into(),
                pid: main.map(|worker| worker.pid),
                uptime_seconds: main.map(|worker| worker.running().as_secs_f64()),
                other_pid: other.map(|worker| worker.pid),
                restarts: noted.life.restarts(),
                away: noted.life.away,
                steered: None,
                queue: None,
                queue_limit: None,
                bus: None,
            }
        });
        Ok(Self {
            version: String::new(),
            listen: manifest.listen,
            mode: manifest.mode,
            refused: Vec::new(),
            workers: manifest.slots.count().get(),
            ipv6_prefix: manifest.ipv6_prefix,
            pid: vacancy.supervisor.unwrap_or_default(),
            gone_since: Some(vacancy.since.clone()),
            uptime_seconds: 0.0,
            takeovers: manifest.takeovers,
            rolled_back: None,
            foreign_listeners: Vec::new(),
            slots: slots.collect(),
            counters: None,
        })
    }
}
