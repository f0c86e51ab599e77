//! A worker that does not read does not stop the others.

use harness::{Clients, pause, send, wait_until};
use rustix::process::Signal;
use serde_json::json;

use super::{Bus, join, said, say, settle};

#[test]
fn a_worker_that_does_not_read() {
    /// More than the bus keeps for one worker, which is 128 MB.
    const MEGABYTES: usize = 160;
    const AT_ONCE: usize = 10;

    let server = Bus::Mesh.serve();
    let clients = Clients::new();
    let [a, b, c, d] = server.one_at_each_slot(&clients);
    let all = [&a, &b, &c, &d];
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
    let words = "does not read what this one says: messages to it are dropped";
    assert_eq!(server.sticky.stderr.lines_with(words).len(), 1, "it is said, and once");
    assert!(server.sticky.stderr.lines_with("reads again").is_empty(), "it does not read");
    wait_until("the status tells what was dropped", || {
        let status = server.sticky.status();
        let dropped: Vec<u64> = status.slots.iter().map(|slot| slot.bus.unwrap().dropped).collect();
        (dropped[0] > 0 && dropped[1..] == [0, 0, 0]).then_some(())
    });

    send(c.welcome.pid, Signal::CONT);
    server.sticky.stderr.wait_for_text("the worker reads again; it missed");
    for speaker in all {
        say(speaker, json!({}), format!("to all by slot {}", speaker.welcome.slot));
        settle(speaker, all);
    }
    let after: Vec<_> = (0..4).map(|slot| format!("to all by slot {slot}")).collect();
    for client in running {
        let heard = said(client);
        assert_eq!(heard[..3], ["while it is stopped"; 3]);
        assert_eq!(heard[3..], after);
    }
    // What the bus has kept for it, it still hears.
    let heard = said(&c);
    assert!(heard.ends_with(&after), "{heard:?}");
    assert!(heard.contains(&"while it is stopped".to_owned()), "{heard:?}");
    join("tea", all);
    server.stop(all);
}
