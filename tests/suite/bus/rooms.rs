//! Who hears what: rooms, namespaces, and all the ways to say who is meant.

use harness::clients::Transport;
use harness::{Clients, wait_until};
use serde_json::json;

use super::{Bus, fetch, ids, join, said, say, settle, settle_in};

over_both_buses!(everybody_who_is_meant_hears_it_once, namespaces, whoever_disconnects_is_gone);

fn everybody_who_is_meant_hears_it_once(bus: Bus) {
    let server = bus.serve();
    let clients = Clients::new();
    let [a, b, c, d] = server.one_at_each_slot(&clients);
    let polling = server.connect_by(Transport::Polling, &clients, 1, "/");
    let all = [&a, &b, &c, &d, &polling];
    join("tea", [&a, &b, &c, &polling]);
    join("milk", [&b]);

    say(&d, json!({ "to": ["tea"] }), "a room");
    say(&d, json!({ "to": ["tea", "milk"] }), "two rooms");
    say(&d, json!({ "to": ["tea"], "except": ["milk"] }), "a room but another");
    say(&d, json!({ "except": ["milk"] }), "all but a room");
    say(&d, json!({}), "all");
    say(&d, json!({ "others": true }), "the others");
    say(&d, json!({ "local": true }), "this worker");
    say(&d, json!({ "to": ["empty"] }), "nobody");
    settle(&d, all);
    say(&d, json!({ "to": ["tea"], "volatile": true }), "volatile");
    settle(&d, all);
    let rooms: Vec<String> = c.ask("leave", json!(["tea"]));
    assert!(rooms.is_empty(), "{rooms:?}");
    say(&d, json!({ "to": ["tea"] }), "without those who left");
    settle(&d, all);

    let everything = [
        "a room",
        "two rooms",
        "a room but another",
        "all but a room",
        "all",
        "the others",
        "this worker",
        "volatile",
        "without those who left",
    ];
    let without = |missing: &[&str]| -> Vec<String> {
        let heard = everything.iter().filter(|said| !missing.contains(said));
        heard.map(|&said| said.to_owned()).collect()
    };
    assert_eq!(said(&a), without(&["this worker"]));
    assert_eq!(said(&polling), said(&a));
    assert_eq!(said(&b), without(&["this worker", "a room but another", "all but a room"]));
    assert_eq!(said(&c), without(&["this worker", "without those who left"]));
    assert_eq!(said(&d), ["all but a room", "all", "this worker"]);
    server.stop(all);
}

fn namespaces(bus: Bus) {
    let server = bus.serve();
    let clients = Clients::new();
    let [a, b, ..] = server.one_at_each_slot(&clients);
    let other = |transport, slot| server.connect_by(transport, &clients, slot, "/other");
    let [x, y] = [other(Transport::Polling, 1), other(Transport::Websocket, 2)];
    join("tea", [&a, &b, &x, &y]);

    say(&a, json!({ "to": ["tea"] }), "here");
    say(&a, json!({ "to": ["tea"], "namespace": "/other" }), "there");
    settle(&a, [&a, &b]);
    settle_in("/other", &a, [&x, &y]);
    say(&x, json!({ "others": true }), "all there");
    settle_in("/other", &x, [&x, &y]);
    settle(&x, [&a, &b]);

    assert_eq!(said(&a), ["here"]);
    assert_eq!(said(&b), ["here"]);
    assert_eq!(said(&x), ["there"]);
    assert_eq!(said(&y), ["there", "all there"]);
    assert_eq!(fetch(&a, json!({ "to": ["tea"] })), ids([&a, &b]));
    let there = json!({ "to": ["tea"], "namespace": "/other" });
    assert_eq!(fetch(&a, there), ids([&x, &y]));
    server.stop([&a, &b, &x, &y]);
}

fn whoever_disconnects_is_gone(bus: Bus) {
    let server = bus.serve();
    let clients = Clients::new();
    let [a, b, c, d] = server.one_at_each_slot(&clients);
    join("tea", [&b, &c]);
    join("a room of one's own", [&c]);
    let id = c.welcome.id.clone();
    c.leave();
    wait_until("the worker of a client notices that it has gone", || {
        (!fetch(&a, json!({})).contains(&id)).then_some(())
    });
    assert_eq!(fetch(&a, json!({ "to": ["tea"] })), ids([&b]));
    assert_eq!(fetch(&a, json!({})), ids([&a, &b, &d]));
    let rooms: Vec<String> = a.ask("rooms", json!([{}]));
    assert_eq!(rooms, ["tea"]);
    server.stop([&a, &b, &d]);
}
