//! What a supervisor notes for the next one.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sticky_contract::{PerSlot, SlotId};
use sticky_ebpf::Mapping;

use super::Settings;
use super::slot::{self, WorkerId};
use crate::steering::{Mode, ModeChoice, Noted};
use sticky_bus::Health;

/// The layout of the note: a supervisor does not try to understand a note of another layout.
const LAYOUT: u32 = 4;

/// The port, and who serves it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    layout: u32,
    pub(super) listen: SocketAddr,
    pub(super) mode: Mode,
    pub(super) ipv6_prefix: u8,
    embedded_bus: bool,
    user: Option<String>,
    pub(super) noted: Noted,
    /// How many supervisors there were before.
    pub(super) takeovers: u32,
    pub(super) slots: PerSlot<SlotNote>,
}

/// One slot.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct SlotNote {
    pub(super) life: slot::Note,
    pub(super) workers: Vec<WorkerNote>,
}

/// One worker's process.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "none of them says anything of another")]
pub(super) struct WorkerNote {
    pub(super) id: WorkerId,
    pub(super) pid: u32,
    pub(super) ready: bool,
    pub(super) takes_redistributed: bool,
    /// Whether it was told to end.
    pub(super) told: bool,
    /// In milliseconds since 1970.
    pub(super) started: u64,
    /// What it said of its bus last, which it says only when that changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) bus: Option<Health>,
    /// Whether nobody finds its bus socket any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) lost_to_bus: bool,
}

/// The note is not for this program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ManifestError {
    /// It cannot be read.
    #[error("cannot read what the supervisor before this one noted")]
    Unreadable(#[from] serde_json::Error),
    /// It is of another layout.
    #[error(
        "the supervisor before this one was of a version that this one does not understand; end it \
         with its own `sticky stop`, and then start this one"
    )]
    Layout,
    /// Something cannot be changed while workers of the other supervisor serve.
    #[error(
        "workers of an earlier supervisor serve this port with {there}, and this one is asked for \
         {asked}; start it with the same options to take over, or end those workers first \
         (kill {pids})"
    )]
    Other {
        /// What they serve with.
        there: String,
        /// What was asked for.
        asked: String,
        /// Those workers.
        pids: String,
    },
}

impl Manifest {
    pub(super) fn new(settings: &Settings, listen: SocketAddr, mode: Mode) -> Self {
        let mapping = &settings.plan.mapping;
        Self {
            layout: LAYOUT,
            listen,
            mode,
            ipv6_prefix: mapping.ipv6_prefix().bits(),
            embedded_bus: settings.embedded_bus,
            user: settings.user.as_ref().map(|user| user.name().into()),
            noted: Noted::default(),
            takeovers: 0,
            slots: PerSlot::new(mapping.slots(), |_| SlotNote::default()),
        }
    }

    /// Reads what was noted.
    pub(crate) fn read(note: &str) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Layout {
            layout: u32,
        }
        let Layout { layout } = serde_json::from_str(note)?;
        if layout != LAYOUT {
            return Err(ManifestError::Layout);
        }
        let manifest: Self = serde_json::from_str(note)?;
        if !manifest.noted.fits(manifest.slots.count()) {
            let why = "it names slots that its server does not have";
            return Err(<serde_json::Error as serde::de::Error>::custom(why).into());
        }
        Ok(manifest)
    }

    /// Whether a supervisor with these settings can go on.
    pub(crate) fn fits(&self, settings: &Settings) -> Result<(), ManifestError> {
        let mut asked = Self::new(settings, settings.plan.listen, self.mode);
        if let ModeChoice::Only(mode) = settings.mode {
            asked.mode = mode;
        }
        if asked.listen.port() == 0 {
            asked.listen.set_port(self.listen.port());
        }
        let of = |it: &Self| {
            let Self { listen, mode, slots, ipv6_prefix, embedded_bus, user, .. } = it;
            let workers = slots.count();
            let bus = if *embedded_bus { "the embedded bus" } else { "Redis" };
            let user = user.as_deref().map(|user| format!(", --user {user}")).unwrap_or_default();
            format!(
                "--listen {listen}, --mode {mode}, --workers {workers}, \
                 --ipv6-prefix {ipv6_prefix}, {bus}{user}"
            )
        };
        let (there, asked) = (of(self), of(&asked));
        if there == asked {
            return Ok(());
        }
        let workers = self.slots.values().flat_map(|slot| &slot.workers);
        let pids: Vec<String> = workers.map(|worker| worker.pid.to_string()).collect();
        Err(ManifestError::Other { there, asked, pids: pids.join(" ") })
    }
}

impl Manifest {
    /// The table of buckets that was in force: without the slots whose clients others serve.
    pub(super) fn in_force(&self, mapping: &Mapping) -> Mapping {
        let away = |slot: SlotId| self.slots.get(slot).is_some_and(|note| note.life.away);
        mapping.clone().without(away)
    }
}

impl WorkerNote {
    /// When a worker was started that has run for so long.
    pub(super) fn started(running: Duration) -> u64 {
        let started = SystemTime::now().checked_sub(running).unwrap_or(UNIX_EPOCH);
        let started = started.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        u64::try_from(started).unwrap_or(u64::MAX)
    }

    /// How long it has run.
    pub(super) fn running(&self) -> Duration {
        let started = UNIX_EPOCH + Duration::from_millis(self.started);
        SystemTime::now().duration_since(started).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use sticky_contract::SlotCount;

    use super::*;

    fn manifest(slots: SlotCount, noted: Noted) -> Manifest {
        Manifest {
            layout: LAYOUT,
            listen: ([127, 0, 0, 1], 3000).into(),
            mode: Mode::Cbpf,
            ipv6_prefix: 64,
            embedded_bus: true,
            user: None,
            noted,
            takeovers: 0,
            slots: PerSlot::new(slots, |_| SlotNote::default()),
        }
    }

    proptest! {
        /// What is read names no slot that there is not, so that nothing indexes beyond the slots.
        #[test]
        fn a_note_of_slots_that_there_are_not_is_refused(
            count in 1..=256_u32,
            places in prop::collection::vec(prop::option::of(0..256_u32), 0..8),
            listened in prop::collection::vec(0..256_u32, 0..8),
        ) {
            let slot = |number| SlotId::try_from(number).unwrap();
            let is_right = places.iter().flatten().chain(&listened).all(|&number| number < count);
            let places = places.iter().map(|place| place.map(slot)).collect();
            let listened = listened.iter().copied().map(slot).collect();
            let noted = Noted { places, listened };
            let text = serde_json::to_string(&manifest(SlotCount::new(count).unwrap(), noted)).unwrap();
            prop_assert_eq!(Manifest::read(&text).is_ok(), is_right);
        }

        /// Of a list of slots that is too long, or empty, or of slots with other numbers.
        #[test]
        fn a_note_with_as_many_slots_as_there_cannot_be_is_refused(count in prop_oneof![Just(0), 1..300_usize]) {
            let mut note = serde_json::to_value(manifest(SlotCount::default(), Noted::default())).unwrap();
            let slot = note["slots"][0].take();
            note["slots"] = vec![slot; count].into();
            prop_assert_eq!(Manifest::read(&note.to_string()).is_ok(), (1..=256).contains(&count));
        }


        #[test]
        fn any_text_is_read_or_refused(text: String, number: u32) {
            let _ = Manifest::read(&text);
            let text = format!("{{\"layout\":{number},\"workers\":{text:?}}}");
            prop_assert!(Manifest::read(&text).is_err());
        }
    }
}
