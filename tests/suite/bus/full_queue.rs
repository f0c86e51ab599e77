//! A client whose queue at its worker is full of what was emitted to it alone.

use harness::{Clients, wait_until};
use serde_json::json;

use super::{Bus, join, said, say, settle};

over_both_buses!(a_client_that_misses_a_broadcast_of_another_worker_is_disconnected);

fn a_client_that_misses_a_broadcast_of_another_worker_is_disconnected(bus: Bus) {
    /// What the kernel keeps for a connection is full before; broadcasts that wait would take many more.
    const ROUNDS: usize = 20;
    const BYTES: usize = 64 << 10;

    let server = bus.serve();
    let (clients, stopped) = (Clients::new(), Clients::new());
    let [a, b, c, d] = server.one_at_each_slot(&clients);
    let full = server.connect(&stopped, c.welcome.slot);
    let all = [&a, &b, &c, &d];
    join("tea", all);
    join("tea", [&full]);
    stopped.pause();
    let mut rounds = 0;
    while c.ask::<Option<usize>>("fill", json!([full.welcome.id, BYTES])).is_some() {
        assert!(rounds < ROUNDS, "it is disconnected where it misses a broadcast");
        say(&a, json!({ "to": ["tea"] }), rounds.to_string());
        settle(&a, all);
        rounds += 1;
    }
    wait_until("it is counted", || {
        let slots = server.sticky.status().slots;
        (slots[c.welcome.slot as usize].bus.unwrap().disconnected == 1).then_some(())
    });
    stopped.resume();
    assert!(full.gone().contains("transport"));
    for client in all {
        assert_eq!(said(client).len(), rounds);
    }
    server.stop(all);
}
