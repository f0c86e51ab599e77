//! A worker that does not read does not stop the others.

use harness::{Clients, pause, send, wait_until};
use rustix::process::Signal;
use serde_json::json;

use super::{Bus, fetch, join, said, say, settle};

#[test]
fn a_worker_that_does_not_read() {
    /// More than the bus keeps for all other workers together, which is 64 MiB.
    const MEGABYTES: usize = 160;
    const AT_ONCE: usize = 10;

    let server = Bus::Mesh.serve();
    let clients = Clients::new();
    let [a, b, c, d] = server.one_at_each_slot(&clients);
    let running = [&a, &b, &d];
    pause(c.welcome.pid);
    for speaker in running {
        say(speaker, json!({}), "while it is stopped");
        settle(speaker, running);
    }
    // To nobody, but each worker has to look for itself. The others keep up.
    for _ in 0..MEGABYTES / AT_ONCE {
        a.ask::<()>("burst", json!([{ "to": ["empty"] }, "filling", AT_ONCE, 1_000_000]));
        settle(&a, running);
    }
    let words = "a worker has read nothing for 2s while senders waited for it";
    assert_eq!(server.sticky.stderr.lines_with(words).len(), 1, "it is said, and once");
    wait_until("the status tells what was dropped", || {
        let status = server.sticky.status();
        let dropped: Vec<u64> = status.slots.iter().map(|slot| slot.bus.unwrap().dropped).collect();
        (dropped[0] > 0 && dropped[1..] == [0, 0, 0]).then_some(())
    });

    send(c.welcome.pid, Signal::CONT);
    let words = "what it said meanwhile is missed here";
    let missed = server.sticky.stderr.wait_for_text(words);
    assert!(missed.contains("slot=0"), "{missed}");
    // Its client may have missed something, and is told so.
    assert!(c.gone().contains("transport"));
    let heard = said(&c);
    assert!(heard.contains(&"while it is stopped".to_owned()), "{heard:?}");
    let again = server.connect(&clients, c.welcome.slot);
    wait_until("the first worker is heard by it again", || {
        fetch(&a, json!({})).contains(&again.welcome.id).then_some(())
    });
    let all = [&a, &b, &again, &d];
    for speaker in all {
        say(speaker, json!({}), format!("to all by slot {}", speaker.welcome.slot));
        settle(speaker, all);
    }
    let after: Vec<_> = all.map(|one| format!("to all by slot {}", one.welcome.slot)).into();
    for client in running {
        let heard = said(client);
        assert_eq!(heard[..3], ["while it is stopped"; 3]);
        assert_eq!(heard[3..], after);
    }
    assert_eq!(said(&again), after);
    assert_eq!(server.sticky.stderr.lines_with(words).len(), 1, "that is said once as well");
    join("tea", all);
    server.stop(all);
}
