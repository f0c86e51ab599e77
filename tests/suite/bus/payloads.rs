//! What is said arrives whole, and in order.

use harness::clients::Transport;
use harness::{Client, Clients};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Bus, join, say};

over_both_buses!(data_of_every_kind_and_size, ten_thousand_messages_in_order);

/// `$text` is told in UTF-16 units, each a byte on average, or more.
const MEGABYTE: usize = 1_000_000;

fn data_of_every_kind_and_size(bus: Bus) {
    let server = bus.serve();
    let clients = Clients::new();
    let [a, b, c, d] = server.one_at_each_slot(&clients);
    let polling = server.connect_by(Transport::Polling, &clients, 3, "/");
    let all = [&a, &b, &c, &d, &polling];
    join("tea", all);

    let everything = [
        json!(null),
        json!([1, -2.5, "ü", { "deep": [[], {}] }]),
        json!({ "$binary": 0 }),
        json!({ "two": [{ "$binary": 10 }, { "of": { "$binary": 70_000 } }] }),
        json!({ "$text": MEGABYTE }),
        json!({ "$binary": MEGABYTE }),
        json!({ "both": [{ "$text": MEGABYTE }, { "$binary": MEGABYTE }] }),
        json!("the last"),
    ];
    for data in &everything {
        say(&b, json!({ "to": ["tea"] }), data.clone());
    }
    for client in all {
        let heard: Vec<Value> = client.heard("said", everything.len());
        assert_eq!(heard, everything, "slot {}", client.welcome.slot);
    }
    server.stop(all);
}

fn ten_thousand_messages_in_order(bus: Bus) {
    const MESSAGES: usize = 10_000;
    const OTHERS: usize = 1000;

    let server = bus.serve();
    let clients = Clients::new();
    let [a, b, c, d] = server.one_at_each_slot(&clients);
    let all = [&a, &b, &c, &d];
    join("tea", all);
    // While somebody else speaks as well.
    let many = a.begin("burst", json!([{ "to": ["tea"] }, "of a", MESSAGES, 0]));
    let others = d.begin("burst", json!([{ "to": ["tea"] }, "of d", OTHERS, 0]));
    many.answer::<()>();
    others.answer::<()>();
    for client in all {
        assert_in_order(client, "of a", MESSAGES);
        assert_in_order(client, "of d", OTHERS);
    }
    server.stop(all);
}

/// All of a burst, each once, one after the other.
#[track_caller]
fn assert_in_order(client: &Client<'_>, event: &str, count: usize) {
    #[derive(Deserialize)]
    struct Numbered {
        number: usize,
    }
    let heard: Vec<Numbered> = client.heard(event, count);
    let slot = client.welcome.slot;
    let wrong = heard.iter().enumerate().find(|(at, heard)| *at != heard.number);
    assert!(wrong.is_none(), "slot {slot}: {event} {:?}", wrong.map(|(at, it)| (at, it.number)));
    assert_eq!(heard.len(), count, "slot {slot}");
}
