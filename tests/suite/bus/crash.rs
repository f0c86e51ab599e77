//! A worker dies: on the embedded bus nobody waits for it, not for a moment.

use harness::{Client, Clients, pause, send};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::acks::{Ack, by_id};
use super::{
    Bus, WORKERS, connect, fetch, ids, join, one_at_each_slot, patient, said, say, settle, sorted,
};

const VICTIM: u32 = 2;

#[test]
fn killed_before_its_clients_answer() {
    let server = Bus::Mesh.serve();
    let clients = Clients::new();
    let [a, b, c, d] = server.one_at_each_slot(&clients);
    let another = server.connect(&clients, VICTIM);
    join("tea", [&b, &c, &d, &another]);
    d.answer_with("of slot 3");
    let acks = a.begin("ask", json!([{ "to": ["tea"] }, "question", "?", null]));
    for client in [&b, &c, &another] {
        client.heard::<String>("question", 1);
    }
    send(c.welcome.pid, Signal::KILL);
    // Whoever lives has all the time to answer.
    c.gone();
    b.answer_with("of slot 1");

    let acks: Vec<Ack> = acks.answer();
    let (answers, lost): (Vec<_>, Vec<_>) = acks.into_iter().partition(|ack| ack.error.is_none());
    assert_eq!(by_id(answers), by_id(vec![Ack::of(&b, "of slot 1"), Ack::of(&d, "of slot 3")]));
    // Those that the worker had announced. It may have died just before.
    assert!(lost.len() <= 2, "{lost:?}");
    server.sticky.wait_for_successor(VICTIM, c.welcome.pid);
    server.stop([&a, &b, &d]);
}

#[test]
fn killed_before_it_hears_the_question() {
    let server = Bus::Mesh.serve();
    let clients = Clients::new();
    let [a, b, c, d] = server.one_at_each_slot(&clients);
    let everybody = [&a, &b, &c, &d];
    join("tea", everybody);
    for client in everybody {
        client.answer_with("here");
    }
    pause(c.welcome.pid);
    // Each of them counts on the worker that is stopped.
    let acks = a.begin("ask", json!([{ "to": ["tea"] }, "question", "?", null]));
    let members = b.begin("fetch", json!([{ "to": ["tea"] }]));
    let rooms = d.begin("rooms", json!([{}]));
    settle(&a, [&a, &b, &d]);
    settle(&b, [&a, &b, &d]);
    settle(&d, [&a, &b, &d]);
    send(c.welcome.pid, Signal::KILL);

    let expected = [&a, &b, &d].map(|client| Ack::of(client, "here")).to_vec();
    assert_eq!(by_id(acks.answer()), by_id(expected));
    assert_eq!(sorted(members.answer::<Vec<Value>>().iter().map(id)), ids([&a, &b, &d]));
    assert_eq!(rooms.answer::<Vec<String>>(), ["tea"]);
    server.sticky.wait_for_successor(VICTIM, c.welcome.pid);
    server.stop([&a, &b, &d]);
}

fn id(found: &Value) -> String {
    found["id"].as_str().unwrap().to_owned()
}

/// While all others ask each other without a pause, a worker dies again and again.
#[test]
fn killed_under_questions() {
    const DEATHS: usize = 5;
    /// Of each client at a time.
    const QUESTIONS: usize = 4;

    let server = Bus::Mesh.serve();
    let clients = Clients::new();
    let [a, b, c, d] = server.one_at_each_slot(&clients);
    let askers = [&a, &b, &d];
    join("tea", askers);
    for asker in askers {
        asker.answer_with("here");
    }
    let mut victim = c.welcome.pid;
    for _ in 0..DEATHS {
        let ask_all = || -> Vec<_> {
            let askers = askers.iter().cycle().take(QUESTIONS * askers.len());
            let question = json!([{ "to": ["tea"] }, "question", "?", null]);
            let tea = || json!([{ "to": ["tea"] }]);
            askers
                .map(|one| (one.begin("fetch", tea()), one.begin("ask", question.clone())))
                .collect()
        };
        let before = ask_all();
        send(victim, Signal::KILL);
        for (members, acks) in before.into_iter().chain(ask_all()) {
            assert_eq!(sorted(members.answer::<Vec<Value>>().iter().map(id)), ids(askers));
            assert_eq!(acks.answer::<Vec<Ack>>().len(), askers.len());
        }
        victim = server.sticky.wait_for_successor(VICTIM, victim);
    }
    server.stop(askers);
}

/// A question to one client of a worker that is gone has nobody to answer it.
#[test]
fn gone_before_one_of_its_clients_is_asked() {
    let server = Bus::Mesh.serve();
    let clients = Clients::new();
    let [a, b, c, d] = server.one_at_each_slot(&clients);
    assert_eq!(fetch(&a, json!({})), ids([&a, &b, &c, &d]));
    let id = &c.welcome.id;
    send(c.welcome.pid, Signal::KILL);
    server.sticky.wait_for_successor(VICTIM, c.welcome.pid);

    let rooms: Vec<String> = a.ask("rooms of one", json!([id]));
    assert!(rooms.is_empty(), "{rooms:?}");
    let acks: Vec<Ack> = a.ask("ask one", json!([id, "question"]));
    assert!(acks.iter().all(|ack| ack.error.is_some()), "{acks:?}");
    server.stop([&a, &b, &d]);
}

#[test]
fn the_successor_hears_from_the_moment_it_serves() {
    let server = Bus::Mesh.serve();
    let clients = Clients::new();
    let [a, b, c, d] = server.one_at_each_slot(&clients);
    let mut victim = c.welcome.pid;
    for _ in 0..3 {
        send(victim, Signal::KILL);
        // Waits in the slot's queue, and is served when the successor is ready, at once.
        let new = server.connect(&clients, VICTIM);
        assert_ne!(new.welcome.pid, victim);
        for speaker in [&a, &b, &d, &new] {
            say(speaker, json!({}), format!("by slot {}", speaker.welcome.slot));
        }
        assert_eq!(fetch(&a, json!({})), ids([&a, &b, &d, &new]));
        assert_eq!(fetch(&new, json!({})), ids([&a, &b, &d, &new]));
        for speaker in [&a, &b, &d, &new] {
            settle(speaker, [&a, &b, &d, &new]);
        }
        assert_eq!(sorted(said(&new)), ["by slot 0", "by slot 1", "by slot 2", "by slot 3"]);
        victim = new.welcome.pid;
    }
    server.stop([&a, &b, &d]);
}

/// It is on no message's path: neither on that between workers nor on their clients'.
#[test]
fn the_supervisor_is_not_needed() {
    let mut sticky = patient().start();
    let clients = Clients::new();
    let before = one_at_each_slot(&sticky, &clients);
    sticky.signal(Signal::KILL);
    sticky.wait();
    let all: Vec<Client<'_>> = before
        .into_iter()
        .chain((0..WORKERS).map(|slot| connect(&sticky, &clients, slot)))
        .collect();
    for speaker in &all {
        say(speaker, json!({}), speaker.welcome.id.clone());
        settle(speaker, &all);
        assert_eq!(fetch(speaker, json!({})), ids(&all));
    }
    for client in &all {
        assert_eq!(said(client), all.iter().map(|one| one.welcome.id.clone()).collect::<Vec<_>>());
        client.assert_well();
    }
    sticky.kill_all();
}
