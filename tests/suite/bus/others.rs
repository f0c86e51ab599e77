//! What one worker does with the clients of all: finding, moving and disconnecting them.

use harness::Clients;
use serde_json::{Value, json};

use super::{Bus, fetch, ids, join, settle, sorted};

over_both_buses!(finding_moving_and_disconnecting);

fn finding_moving_and_disconnecting(bus: Bus) {
    let server = bus.serve();
    let clients = Clients::new();
    let [a, b, c, d] = server.one_at_each_slot(&clients);
    let another = server.connect(&clients, 1);
    join("tea", [&a, &b, &c]);
    join("milk", [&b, &another]);

    assert_eq!(fetch(&d, json!({})), ids([&a, &b, &c, &d, &another]));
    assert_eq!(fetch(&d, json!({ "others": true })), ids([&a, &b, &c, &another]));
    assert_eq!(fetch(&d, json!({ "to": ["tea"] })), ids([&a, &b, &c]));
    assert_eq!(fetch(&d, json!({ "to": ["tea"], "except": ["milk"] })), ids([&a, &c]));
    assert_eq!(fetch(&d, json!({ "to": ["tea", "milk"] })), ids([&a, &b, &c, &another]));
    assert_eq!(fetch(&d, json!({ "local": true })), ids([&d]));
    assert_eq!(fetch(&d, json!({ "to": ["empty"] })), ids([]));

    let rooms = |target: Value| sorted(d.ask::<Vec<String>>("rooms", json!([target])));
    assert_eq!(rooms(json!({})), ["milk", "tea"]);
    assert_eq!(rooms(json!({ "to": ["milk"], "except": ["tea"] })), ["milk"]);

    d.ask::<()>("join them", json!([{ "to": ["tea"] }, ["cup", "spoon"]]));
    assert_eq!(fetch(&d, json!({ "to": ["cup"] })), ids([&a, &b, &c]));
    assert_eq!(rooms(json!({})), ["cup", "milk", "spoon", "tea"]);
    d.ask::<()>("leave them", json!([{ "to": ["milk"] }, ["cup", "milk"]]));
    assert_eq!(fetch(&d, json!({ "to": ["cup"] })), ids([&a, &c]));
    assert_eq!(rooms(json!({})), ["cup", "spoon", "tea"]);
    d.ask::<()>("join them", json!([{ "namespace": "/other" }, ["nobody is there"]]));
    assert_eq!(rooms(json!({})), ["cup", "spoon", "tea"]);

    join("stays", [&a]);
    d.ask::<()>("disconnect them", json!([{ "to": ["cup"], "except": ["stays"] }]));
    assert!(c.gone().contains("io server disconnect"));
    settle(&d, [&a, &b, &d, &another]);
    assert_eq!(fetch(&d, json!({})), ids([&a, &b, &d, &another]));
    server.stop([&a, &b, &d, &another]);
}
