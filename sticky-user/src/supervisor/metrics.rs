//! The status as Prometheus text: the answer of `GET /metrics` on the control socket.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::status::{SlotStatus, Status};
use crate::steering::Counters;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SlotLabel {
    slot: u32,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SlotOutcomeLabel {
    slot: u32,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ServingLabel {
    listen: String,
    mode: String,
}

type Totals<L> = Family<L, Counter<u64, AtomicU64>>;
type Values<L> = Family<L, Gauge<i64, AtomicI64>>;

/// The text; the names begin with `sticky_`.
pub(super) fn text(status: &Status) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("sticky");
    let Status { listen, mode, .. } = status;
    let serving = ServingLabel { listen: listen.to_string(), mode: mode.to_string() };
    gauge(&mut registry, "info", "What is served, and how", [(serving, 1)]);
    let uptime = Gauge::<f64, AtomicU64>::default();
    uptime.set(status.uptime_seconds);
    registry.register("uptime_seconds", "Since the supervisor started", uptime);
    let takeovers = Counter::<u64, AtomicU64>::default();
    takeovers.inc_by(status.takeovers.into());
    registry.register("takeovers", "Supervisors that served before this one", takeovers);
    let foreign = Gauge::<i64, AtomicI64>::default();
    foreign.set(i64::try_from(status.foreign_listeners.len()).unwrap_or(i64::MAX));
    registry.register("foreign_listeners", "Sockets of other programs on the port", foreign);
    if let Some(counters) = &status.counters {
        connections(&mut registry, counters);
    }
    slots(&mut registry, &status.slots);
    buses(&mut registry, &status.slots);
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

fn connections(registry: &mut Registry, counters: &Counters) {
    let seen = Counter::<u64, AtomicU64>::default();
    seen.inc_by(counters.runs);
    registry.register("seen", "Connection attempts", seen);
    let dropped = [
        ("other_protocol", counters.other_protocol),
        ("unreadable", counters.unreadable),
        ("no_bucket", counters.no_bucket),
    ];
    let dropped = dropped.map(|(outcome, count)| (OutcomeLabel { outcome }, count));
    counter(registry, "dropped", "Connection attempts dropped before a slot was known", dropped);
    let by_slot = counters.slots.iter().flat_map(|(slot, counts)| {
        let slot = slot.get();
        let outcomes =
            [("selected", counts.selected), ("empty", counts.empty), ("refused", counts.refused)];
        outcomes.map(|(outcome, count)| (SlotOutcomeLabel { slot, outcome }, count))
    });
    counter(registry, "steered", "Connection attempts by slot and outcome", by_slot);
}

fn slots(registry: &mut Registry, slots: &[SlotStatus]) {
    let ready = slots.iter().map(|it| (label(it), i64::from(it.state == "ready")));
    gauge(registry, "slot_ready", "Whether a worker serves the slot", ready);
    let restarts = slots.iter().map(|it| (label(it), it.restarts));
    let away = slots.iter().map(|it| (label(it), i64::from(it.away)));
    gauge(registry, "slot_away", "1 where other slots serve the slot's clients", away);
    counter(registry, "slot_restarts", "Workers started since one had died", restarts);
    let queue = slots.iter().filter_map(|it| Some((label(it), i64::from(it.queue?))));
    gauge(registry, "slot_queue", "Connections that wait for the worker", queue);
    let limit = slots.iter().filter_map(|it| Some((label(it), i64::from(it.queue_limit?))));
    gauge(registry, "slot_queue_limit", "How many may wait", limit);
}

fn buses(registry: &mut Registry, slots: &[SlotStatus]) {
    let buses = || slots.iter().filter_map(|it| Some((label(it), it.bus?)));
    let up = buses().map(|(slot, bus)| (slot, i64::from(bus.up)));
    gauge(registry, "bus_up", "Whether the worker's bus carries messages", up);
    let peers = buses().map(|(slot, bus)| (slot, i64::from(bus.peers)));
    gauge(registry, "bus_peers", "Other workers on the worker's bus", peers);
    let reconnects = buses().map(|(slot, bus)| (slot, bus.reconnects));
    counter(registry, "bus_reconnects", "How often the worker's bus came back", reconnects);
    let dropped = buses().map(|(slot, bus)| (slot, bus.dropped));
    counter(registry, "bus_dropped", "Messages that the worker's bus lost", dropped);
    let disconnected = buses().map(|(slot, bus)| (slot, bus.disconnected));
    let help = "Clients that the worker disconnected because they did not read";
    counter(registry, "clients_disconnected", help, disconnected);
}

fn label(status: &SlotStatus) -> SlotLabel {
    SlotLabel { slot: status.slot.get() }
}

fn counter<L: Label>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    counts: impl IntoIterator<Item = (L, u64)>,
) {
    let family = Totals::<L>::default();
    for (label, count) in counts {
        family.get_or_create(&label).inc_by(count);
    }
    registry.register(name, help, family);
}

fn gauge<L: Label>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (L, i64)>,
) {
    let family = Values::<L>::default();
    for (label, value) in values {
        family.get_or_create(&label).set(value);
    }
    registry.register(name, help, family);
}

/// What prometheus-client asks of labels.
trait Label:
    EncodeLabelSet + Clone + fmt::Debug + std::hash::Hash + Eq + Send + Sync + 'static
{
}
impl<T> Label for T where
    T: EncodeLabelSet + Clone + fmt::Debug + std::hash::Hash + Eq + Send + Sync + 'static
{
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steering::{Mode, SlotCounts};
    use crate::supervisor::status::ForeignListenerStatus;
    use sticky_bus::Health;
    use sticky_contract::{PerSlot, SlotId};

    #[test]
    fn everything_is_in_the_text() {
        let slot = SlotStatus {
            slot: SlotId::FIRST,
            state: "ready".into(),
            pid: Some(1),
            uptime_seconds: Some(1.0),
            other_pid: None,
            restarts: 2,
            away: true,
            steered: Some(7),
            queue: Some(3),
            queue_limit: Some(4096),
            bus: Some(Health { up: true, peers: 5, reconnects: 6, dropped: 8, disconnected: 9 }),
        };
        let foreign = ForeignListenerStatus {
            listen: "127.0.0.1:3000".parse().unwrap(),
            uid: 1000,
            socket: 41,
            harmful: false,
            effect: "gets none".into(),
        };
        let counts = SlotCounts { selected: 7, empty: 0, refused: 1 };
        let counters = Counters {
            runs: 8,
            other_protocol: 0,
            unreadable: 0,
            no_bucket: 0,
            slots: PerSlot::one(counts),
        };
        let status = Status {
            gone_since: None,
            version: "1.2.3".into(),
            takeovers: 4,
            rolled_back: None,
            foreign_listeners: vec![foreign],
            listen: "127.0.0.1:3000".parse().unwrap(),
            mode: Mode::FdPassing,
            refused: vec![],
            workers: 1,
            ipv6_prefix: 64,
            pid: 1,
            uptime_seconds: 1.5,
            slots: vec![slot],
            counters: Some(counters),
        };
        let text = text(&status).unwrap();
        for line in [
            r#"sticky_info{listen="127.0.0.1:3000",mode="fd-passing"} 1"#,
            "sticky_uptime_seconds 1.5",
            "sticky_seen_total 8",
            r#"sticky_steered_total{slot="0",outcome="selected"} 7"#,
            r#"sticky_steered_total{slot="0",outcome="refused"} 1"#,
            r#"sticky_dropped_total{outcome="unreadable"} 0"#,
            r#"sticky_slot_ready{slot="0"} 1"#,
            r#"sticky_slot_restarts_total{slot="0"} 2"#,
            r#"sticky_slot_away{slot="0"} 1"#,
            "sticky_takeovers_total 4",
            "sticky_foreign_listeners 1",
            r#"sticky_slot_queue{slot="0"} 3"#,
            r#"sticky_bus_up{slot="0"} 1"#,
            r#"sticky_bus_peers{slot="0"} 5"#,
            r#"sticky_bus_reconnects_total{slot="0"} 6"#,
            r#"sticky_bus_dropped_total{slot="0"} 8"#,
            r#"sticky_clients_disconnected_total{slot="0"} 9"#,
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
    }
}
