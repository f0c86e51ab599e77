//! Clients of other workers, one by one: socketioxide's `RemoteSocket`.

use harness::{Client, Clients};
use serde_json::{Value, json};

use super::acks::Ack;
use super::{Bus, fetch, ids, join, settle, sorted};

over_both_buses!(a_client_of_another_worker);

fn a_client_of_another_worker(bus: Bus) {
    let server = bus.serve();
    let clients = Clients::new();
    let [a, b, c, d] = server.one_at_each_slot(&clients);
    let another = server.connect(&clients, 2);
    let all = [&a, &b, &c, &d, &another];
    join("tea", [&c, &another]);
    assert_eq!(fetch(&a, json!({})), ids(all));

    for one in [&c, &a] {
        let id = &one.welcome.id;
        let rooms = || sorted(a.ask::<Vec<String>>("rooms of one", json!([id])));
        let before = rooms();
        a.ask::<()>("emit to one", json!([id, "secret"]));
        one.heard::<Value>("secret", 1);
        one.answer_with("yes");
        let acks: Vec<Ack> = a.ask("ask one", json!([id, "question"]));
        assert_eq!(acks, [Ack::of(one, "yes")]);
        a.ask::<()>("join one", json!([id, "a new room"]));
        assert_eq!(rooms(), sorted([&before[..], &["a new room".into()]].concat()));
        assert_eq!(fetch_room(one, "a new room"), ids([one]));
        a.ask::<()>("leave one", json!([id, "a new room"]));
        assert_eq!(rooms(), before);
    }
    assert_eq!(fetch(&a, json!({ "to": ["tea"] })), ids([&c, &another]));
    a.ask::<()>("disconnect one", json!([c.welcome.id]));
    assert!(c.gone().contains("io server disconnect"));

    settle(&a, [&a, &b, &d, &another]);
    let heard: Vec<usize> = all.iter().map(|one| one.heard::<Value>("secret", 0).len()).collect();
    assert_eq!(heard, [1, 0, 1, 0, 0], "nobody else heard");
    server.stop([&a, &b, &d, &another]);
}

/// By whoever is in it: what is asked of all comes behind what was asked of one.
fn fetch_room(from: &Client<'_>, room: &str) -> Vec<String> {
    fetch(from, json!({ "to": [room] }))
}
