//! Broadcasts that are answered.

use harness::{Client, Clients};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Bus, join};

over_both_buses!(answers_of_all_members_and_nobody_else, whoever_does_not_answer);

/// One of the answers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Ack {
    pub(super) id: String,
    pub(super) value: Option<Value>,
    pub(super) error: Option<String>,
}

impl Ack {
    pub(super) fn of(client: &Client<'_>, value: impl Into<Value>) -> Self {
        Self { id: client.welcome.id.clone(), value: Some(value.into()), error: None }
    }
}

pub(super) fn by_id(mut acks: Vec<Ack>) -> Vec<Ack> {
    acks.sort_by(|one, other| one.id.cmp(&other.id));
    acks
}

/// Workers without a member have nothing to wait for, nor has anybody for them.
fn answers_of_all_members_and_nobody_else(bus: Bus) {
    let server = bus.serve();
    let clients = Clients::new();
    let [a, b, c, d] = server.one_at_each_slot(&clients);
    let another = server.connect(&clients, 1);
    join("tea", [&b, &another, &c]);
    join("a room at one worker", [&b]);
    join("a room of one's own", [&a]);
    for client in [&a, &b, &c, &d, &another] {
        client.answer_with(format!("from slot {}", client.welcome.slot));
    }
    let ask = |from: &Client<'_>, target: Value| -> Vec<Ack> {
        by_id(from.ask("ask", json!([target, "question", { "$binary": 16 }, null])))
    };
    let one = [Ack::of(&b, "from slot 1")];
    let members = by_id(vec![
        Ack::of(&b, "from slot 1"),
        Ack::of(&another, "from slot 1"),
        Ack::of(&c, "from slot 2"),
    ]);
    assert_eq!(ask(&a, json!({ "to": ["tea"] })), members, "asked by a stranger");
    assert_eq!(ask(&b, json!({ "to": ["tea"] })), members, "asked by a member");
    for asker in [&a, &b, &d] {
        assert_eq!(ask(asker, json!({ "to": ["a room at one worker"] })), one);
        assert_eq!(ask(asker, json!({ "to": ["empty"] })), []);
    }
    let own = ask(&a, json!({ "to": ["a room of one's own"] }));
    assert_eq!(own, [Ack::of(&a, "from slot 0")]);
    let others = ask(&b, json!({ "to": ["tea"], "others": true }));
    assert_eq!(
        others,
        by_id(vec![members[0].clone(), members[1].clone(), members[2].clone()])
            .into_iter()
            .filter(|ack| ack.id != b.welcome.id)
            .collect::<Vec<_>>()
    );
    assert_eq!(ask(&a, json!({})).len(), 5, "all");
    let heard: Vec<Value> = c.heard("question", 0);
    assert_eq!(heard, vec![json!({ "$binary": 16 }); 4], "each question once");
    server.stop([&a, &b, &c, &d, &another]);
}

fn whoever_does_not_answer(bus: Bus) {
    let server = bus.serve();
    let clients = Clients::new();
    let [a, b, c, d] = server.one_at_each_slot(&clients);
    join("tea", [&b, &c, &d]);
    join("silence", [&c]);

    // One that takes its time holds up nobody else's answer, and its own comes in the end.
    b.answer_with(json!({ "$binary": 100_000 }));
    d.answer_with(json!([null, { "$text": 80_000 }]));
    let acks = a.begin("ask", json!([{ "to": ["tea"] }, "question", "?", null]));
    c.heard::<String>("question", 1);
    c.answer_with("at last");
    let expected = by_id(vec![
        Ack::of(&b, json!({ "$binary": 100_000 })),
        Ack::of(&c, "at last"),
        Ack::of(&d, json!([null, { "$text": 80_000 }])),
    ]);
    assert_eq!(by_id(acks.answer()), expected);

    c.answer_not_at_all();
    let acks: Vec<Ack> = a.ask("ask", json!([{ "to": ["silence"] }, "question", "?", 300]));
    let [ack] = &acks[..] else { panic!("{acks:?}") };
    assert_eq!((&ack.id, &ack.value), (&c.welcome.id, &None));
    assert!(ack.error.as_ref().unwrap().contains("timeout"), "{ack:?}");
    server.stop([&a, &b, &c, &d]);
}
