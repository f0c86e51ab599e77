//! Every connection of a client reaches the slot that the digit rule names, and is counted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use harness::http::{for_each, whoami};
use harness::{Mode, Namespace, Status, Sticky, addresses, digit_slot};
use sticky_ebpf::{Mapping, SlotCount};

in_every_mode!(four_workers, any_number_of_workers);

fn four_workers(mode: Mode) {
    const CLIENTS: usize = 5_000;
    const CONNECTIONS_OF_EACH: usize = 4;

    Namespace::alone(|| {
        let sticky = Sticky::new(mode, 4).start();
        check(&sticky, mode, 4, CLIENTS, CONNECTIONS_OF_EACH);
        sticky.stop();
    });
}

fn any_number_of_workers(mode: Mode) {
    // 256 workers keep a small machine busy: those of several modes would keep each other from starting.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    Namespace::alone(|| {
        for workers in [1, 2, 3, 5, 7, 8, 16, 64, 256] {
            let sticky = Sticky::new(mode, workers).with("--ready-timeout", "2m").start();
            check(&sticky, mode, workers, 1_000, 1);
            sticky.stop();
        }
    });
}

/// Makes the connections, and holds what clients saw against the rule and against the counters.
fn check(sticky: &Sticky, mode: Mode, workers: u32, clients: usize, connections_of_each: usize) {
    let server = sticky.address();
    let connections = addresses(clients).repeat(connections_of_each);
    let answers = for_each(&connections, |&client| whoami(client, server).unwrap());

    let mapping = Mapping::new(SlotCount::new(workers).unwrap());
    let mut pids = HashMap::new();
    let mut steered = vec![0; workers as usize];
    for (&client, answer) in connections.iter().zip(answers) {
        let slot = digit_slot(client, workers);
        assert_eq!(answer.slot, slot, "{client} of {workers}");
        assert_eq!(mapping.slot_of(client.into()).get(), slot, "{client} of {workers}");
        assert_eq!(answer.peer.ip(), client);
        assert_eq!(answer.mode, mode.name());
        assert_eq!(*pids.entry(slot).or_insert(answer.pid), answer.pid, "one worker per slot");
        steered[slot as usize] += 1;
    }
    check_status(&sticky.status(), mode, &pids, &steered);
}

fn check_status(status: &Status, mode: Mode, pids: &HashMap<u32, u32>, steered: &[u64]) {
    assert_eq!((status.mode, status.workers as usize), (mode, steered.len()));
    for slot in &status.slots {
        // With many slots and few clients, some slots have none.
        assert!(pids.get(&slot.slot).is_none_or(|&pid| slot.pid == Some(pid)), "{slot:?}");
        assert_eq!((slot.state.as_str(), slot.restarts), ("ready", 0));
    }
    let Some(counters) = &status.counters else {
        assert_eq!(mode, Mode::Cbpf, "only classic BPF cannot count");
        return;
    };
    assert_eq!(counters.selected(), steered.iter().sum::<u64>(), "each connection is one run");
    let selected: Vec<u64> = counters.slots.iter().map(|slot| slot.selected).collect();
    assert_eq!(selected, steered, "selected, and seen by clients");
    let told: Vec<u64> = status.slots.iter().map(|slot| slot.steered.unwrap()).collect();
    assert_eq!(told, steered, "told, and seen by clients");
}
