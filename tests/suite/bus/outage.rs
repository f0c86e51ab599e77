//! Redis goes away under traffic and comes back.

use harness::{Clients, Redis, Sticky, pause, send, wait_until};
use rustix::process::Signal;
use serde_json::json;

use super::{WORKERS, connect, join, one_at_each_slot, patient, said, say, settle};

#[test]
fn killed_and_started_again() {
    survives(Redis::kill, Redis::start_again);
}

#[test]
fn stopped_and_continued() {
    survives(|redis| pause(redis.pid()), |redis| send(redis.pid(), Signal::CONT));
}

fn survives(goes: impl FnOnce(&mut Redis), comes: impl FnOnce(&mut Redis)) {
    let mut redis = Redis::start();
    let sticky = patient().with("--redis", redis.url()).start();
    let pids: Vec<u32> = (0..WORKERS).map(|slot| sticky.worker(slot)).collect();
    let clients = Clients::new();
    let [a, b, c, d] = one_at_each_slot(&sticky, &clients);
    let beside_a = connect(&sticky, &clients, 0);
    let all = [&a, &b, &c, &d, &beside_a];
    join("tea", all);
    say(&b, json!({ "to": ["tea"] }), "before");
    settle(&b, all);

    goes(&mut redis);
    wait_until("every worker knows", || all_buses(&sticky, false));
    say(&a, json!({ "to": ["tea"] }), "while it is away");
    // Whoever asks in the meantime is alone, and waits for nobody.
    let found: Vec<serde_json::Value> = a.ask("fetch", json!([{ "to": ["tea"] }]));
    assert_eq!(found.len(), 2);

    comes(&mut redis);
    wait_until("every worker is back", || all_buses(&sticky, true));
    say(&b, json!({ "to": ["tea"] }), "after");
    settle(&b, all);
    for here in [&a, &beside_a] {
        assert_eq!(said(here), ["before", "while it is away", "after"]);
    }
    for elsewhere in [&b, &c, &d] {
        assert_eq!(said(elsewhere), ["before", "after"]);
    }
    assert_eq!((0..WORKERS).map(|slot| sticky.worker(slot)).collect::<Vec<_>>(), pids);
    for words in ["is lost: ", "is back after "] {
        let lines = sticky.stderr.lines_with(words);
        assert_eq!(lines.len(), WORKERS as usize, "once for each worker: {lines:?}");
    }
    let lost: u64 = sticky.status().slots.iter().map(|slot| slot.bus.unwrap().dropped).sum();
    assert!(lost > 0, "what was not sent is counted");
    for client in all {
        client.assert_well();
    }
    sticky.stop();
}

fn all_buses(sticky: &Sticky, up: bool) -> Option<()> {
    let status = sticky.status();
    status.slots.iter().all(|slot| slot.bus.is_some_and(|bus| bus.up == up)).then_some(())
}
