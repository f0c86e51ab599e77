//! A slot that stays without a worker: others serve its clients, until it is back.

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;

use harness::http::{connect, for_each, get, read_answer, read_whoami, send_get, whoami};
use harness::{
    Mode, Sticky, addresses, addresses_of_slot, binaries, digit_slot, pause, send, wait_until,
};
use rustix::process::Signal;
use serde_json::Value;
use sticky_ebpf::{Mapping, SlotCount};
use tempfile::TempDir;

in_every_mode!(
    others_serve_until_it_is_back,
    connections_that_wait_are_redistributed,
    two_slots_at_a_time,
    the_next_supervisor_remembers,
);
in_every_kernel_mode!(what_cannot_be_redistributed_waits);

const WORKERS: u32 = 4;
const SICK: u32 = 1;

/// A server one of whose slots can be made to lose every worker that is started.
struct Patient {
    sticky: Sticky,
    flag: PathBuf,
    _folder: TempDir,
}

impl Patient {
    fn start(mode: Mode, program: impl IntoIterator<Item = OsString>) -> Self {
        let folder = TempDir::with_prefix("sticky-test-").unwrap();
        let flag = folder.path().join("sick");
        let sticky = Sticky::new(mode, WORKERS)
            .with("--failover-after", "300ms")
            .with("--restart-delay", "20ms")
            .with("--restart-delay-max", "100ms")
            .worker([binaries::worker_script("sick.sh")])
            .worker_args([SICK.to_string()])
            .worker_args([&flag])
            .worker_args(program)
            .start();
        Self { sticky, flag, _folder: folder }
    }

    fn falls_ill(&self) {
        fs::write(&self.flag, "").unwrap();
        send(self.sticky.worker(SICK), Signal::KILL);
    }

    fn wait_until_away(&self) {
        wait_until("others serve", || self.is_away(SICK).then_some(()));
    }

    fn recovers(&self) {
        fs::remove_file(&self.flag).unwrap();
        wait_until("it serves its clients again", || {
            (!self.is_away(SICK) && self.is_ready(SICK)).then_some(())
        });
    }

    fn is_away(&self, slot: u32) -> bool {
        self.sticky.status().slots[slot as usize].away
    }

    fn is_ready(&self, slot: u32) -> bool {
        self.sticky.status().slots[slot as usize].state == "ready"
    }

    /// Everybody is served, and where `mapping` and `sticky which` say.
    fn serves_by(&self, mapping: &Mapping) {
        let clients = addresses(300);
        let expected: Vec<u32> =
            clients.iter().map(|&ip| mapping.slot_of(ip.into()).get()).collect();
        assert_eq!(self.sticky.which(&clients), expected);
        let slots = for_each(&clients, |&ip| whoami(ip, self.sticky.address()).unwrap().slot);
        assert_eq!(slots, expected);
    }
}

fn library() -> [OsString; 1] {
    [binaries::test_worker().into()]
}

fn home() -> Mapping {
    Mapping::new(SlotCount::new(WORKERS).unwrap())
}

/// Clients that are connected to a slot whose worker is stopped, and have asked who serves them.
fn waiting_clients(sticky: &Sticky, count: usize) -> Vec<(Ipv4Addr, TcpStream)> {
    pause(sticky.worker(SICK));
    for_each(&addresses_of_slot(SICK, WORKERS, count), |&client| {
        let stream = connect(client, sticky.address()).unwrap();
        send_get(&stream, "/whoami").unwrap();
        (client, stream)
    })
}

fn others_serve_until_it_is_back(mode: Mode) {
    let patient = Patient::start(mode, library());
    patient.serves_by(&home());
    patient.falls_ill();
    patient.wait_until_away();
    let away = home().without(|slot| slot.get() == SICK);
    patient.serves_by(&away);
    let clients = addresses_of_slot(SICK, WORKERS, 300);
    for other in (0..WORKERS).filter(|&slot| slot != SICK) {
        let takes = |&client: &Ipv4Addr| away.slot_of(client.into()).get() == other;
        assert!(clients.iter().copied().any(|client| takes(&client)), "{other} takes its share");
    }
    let status = patient.sticky.status();
    let told: Vec<bool> = status.slots.iter().map(|slot| slot.away).collect();
    assert_eq!(told, [false, true, false, false]);

    patient.recovers();
    patient.serves_by(&home());
    let log = patient.sticky.stop();
    for line in ["others serve its clients", "the slot serves its clients again"] {
        assert_eq!(log.matches(line).count(), 1, "once each, not once per death: {log}");
    }
}

fn connections_that_wait_are_redistributed(mode: Mode) {
    let patient = Patient::start(mode, library());
    let clients = waiting_clients(&patient.sticky, 20);
    patient.falls_ill();
    let away = home().without(|slot| slot.get() == SICK);
    for (client, stream) in &clients {
        let answer = read_whoami(stream).unwrap();
        assert_eq!(answer.slot, away.slot_of((*client).into()).get(), "{client}");
        assert_eq!(answer.peer, stream.local_addr().unwrap());
    }
    patient.recovers();
    patient.serves_by(&home());
    patient.sticky.stop();
}

/// Workers that do not know how to take connections of others: what waited when the slot lost its
/// worker waits for the next one, and who comes later is served by the others.
fn what_cannot_be_redistributed_waits(mode: Mode) {
    let worker = binaries::worker_script("worker.py");
    let patient = Patient::start(mode, ["python3".into(), worker.into()]);
    let waiting = waiting_clients(&patient.sticky, 5);
    patient.falls_ill();
    patient.wait_until_away();
    let away = home().without(|slot| slot.get() == SICK);
    for client in addresses_of_slot(SICK, WORKERS, 20) {
        let (_, body) = get(client, patient.sticky.address(), "/").unwrap();
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(answer["slot"], away.slot_of(client.into()).get(), "{client}");
    }
    patient.recovers();
    for (client, stream) in &waiting {
        let (_, body) = read_answer(stream).unwrap();
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(answer["slot"], SICK, "{client}");
    }
    patient.sticky.stop();
}

/// The table names slots that serve, however many do not.
fn two_slots_at_a_time(mode: Mode) {
    let folder = TempDir::with_prefix("sticky-test-").unwrap();
    let flag = folder.path().join("sick");
    let script = r#"case $STICKY_SLOT in 1|2) [ -e "$0" ] && exit 3 ;; esac; exec "$@""#;
    let sticky = Sticky::new(mode, WORKERS)
        .with("--failover-after", "300ms")
        .with("--restart-delay", "20ms")
        .with("--restart-delay-max", "100ms")
        .worker(["sh", "-c", script])
        .worker_args([&flag])
        .worker_args(library())
        .start();
    let patient = Patient { sticky, flag, _folder: folder };
    patient.falls_ill();
    send(patient.sticky.worker(2), Signal::KILL);
    patient.wait_until_away();
    wait_until("both are away", || patient.is_away(2).then_some(()));
    patient.serves_by(&home().without(|slot| matches!(slot.get(), 1 | 2)));
    patient.recovers();
    wait_until("both are back", || (!patient.is_away(2)).then_some(()));
    let clients = addresses(100);
    let slots = for_each(&clients, |&ip| whoami(ip, patient.sticky.address()).unwrap().slot);
    assert!(clients.iter().zip(slots).all(|(&ip, slot)| slot == digit_slot(ip, WORKERS)));
    patient.sticky.stop();
}

/// Neither an upgrade nor a supervisor that is killed gives a slot its clients back before it has a
/// worker.
fn the_next_supervisor_remembers(mode: Mode) {
    let mut patient = Patient::start(mode, library());
    patient.falls_ill();
    patient.wait_until_away();
    let away = home().without(|slot| slot.get() == SICK);
    let restarts = |sticky: &Sticky| sticky.status().slots[SICK as usize].restarts;
    let before = restarts(&patient.sticky);
    assert_eq!(patient.sticky.upgrade().code, Some(0));
    assert!(patient.is_away(SICK) && restarts(&patient.sticky) >= before);
    patient.serves_by(&away);

    patient.sticky.kill_supervisor();
    patient.sticky.start_again();
    assert!(patient.is_away(SICK) && restarts(&patient.sticky) >= before);
    patient.serves_by(&away);

    patient.recovers();
    patient.serves_by(&home());
    patient.sticky.stop();
}
