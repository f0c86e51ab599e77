//! Clients that send faster than others read, and clients that do not read at all: whoever reads gets all
//! of it in order, whoever does not is disconnected, and the worker's memory stays bounded.

use std::net::Ipv4Addr;

use harness::clients::Transport;
use harness::{
    Clients, Mode, Redis, Sticky, StickyOptions, addresses_of_slot, binaries, node, wait_until,
};
use serde::Deserialize;
use serde_json::{Value, json};

const WORKERS: u32 = 2;

/// What `flood.mjs` tells.
#[derive(Debug, Deserialize)]
struct Flood {
    came: Vec<u32>,
    wrong: Vec<Option<String>>,
    failures: Vec<String>,
}

fn server() -> StickyOptions {
    Sticky::new(Mode::Cbpf, WORKERS)
}

/// The sender, and a member over each transport at its own worker and at the other one.
fn addresses() -> (Ipv4Addr, [Ipv4Addr; 4]) {
    let [own, other] = [0, 1].map(|slot| addresses_of_slot(slot, WORKERS, 3));
    (own[0], [own[1], own[2], other[1], other[2]])
}

fn flood(sticky: &Sticky, messages: u32, length: u32, slow: bool) -> Flood {
    let (sender, members) = addresses();
    let members: Vec<Value> = members
        .into_iter()
        .zip(["websocket", "polling"].into_iter().cycle())
        .map(|(address, transport)| {
            json!({ "address": address, "transport": transport, "slow": slow && transport == "websocket" })
        })
        .collect();
    let url = format!("http://{}", sticky.address());
    let input = json!({
        "url": url, "messages": messages, "length": length, "sender": sender, "members": members,
    });
    node("flood.mjs", &input)
}

#[track_caller]
fn assert_all_came(flood: &Flood, messages: u32) {
    assert_eq!(flood.came, [messages; 4], "{flood:?}");
    assert!(flood.failures.is_empty() && flood.wrong.iter().all(Option::is_none), "{flood:?}");
}

#[test]
fn members_get_all_of_it_in_order() {
    const MESSAGES: u32 = 30_000;
    let sticky = server().start();
    assert_all_came(&flood(&sticky, MESSAGES, 20, false), MESSAGES);
    let log = sticky.stop();
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
}

#[test]
fn over_redis_as_well() {
    const MESSAGES: u32 = 10_000;
    let redis = Redis::start();
    let sticky = server().with("--redis", redis.url()).start();
    assert_all_came(&flood(&sticky, MESSAGES, 20, false), MESSAGES);
    sticky.stop();
}

#[test]
fn a_sender_is_held_back_by_members_that_read_slowly() {
    const MESSAGES: u32 = 6_000;
    let sticky = server().with("--client-buffer", "64K").start();
    assert_all_came(&flood(&sticky, MESSAGES, 1900, true), MESSAGES);
    sticky.stop();
}

#[test]
fn a_member_that_does_not_read_is_disconnected_and_the_others_get_all() {
    /// More than the kernel keeps for a connection.
    const MESSAGES: u32 = 8_000;
    let sticky = server().with("--client-buffer", "512K").start();
    let stopped = Clients::new();
    let members: Vec<_> = [0, 1]
        .into_iter()
        .flat_map(|slot| {
            let from = addresses_of_slot(slot, WORKERS, 4)[3];
            let connect = |transport| stopped.connect_by(transport, sticky.address(), from, "/");
            [connect(Transport::Websocket), connect(Transport::Polling)]
        })
        .collect();
    for member in &members {
        member.begin("join", json!(["flood"])).wait::<Vec<String>>();
    }
    stopped.pause();
    assert_all_came(&flood(&sticky, MESSAGES, 990, false), MESSAGES);
    wait_until("all that do not read are disconnected", || {
        let slots = sticky.status().slots;
        let counts: Vec<_> = slots.iter().map(|slot| slot.bus.unwrap().disconnected).collect();
        (counts == [2, 2]).then_some(())
    });
    stopped.resume();
    for member in &members {
        let reason = member.gone();
        assert!(reason.contains("transport"), "{reason}");
        // Each that came is the next one: none is missing in the middle.
        let said: Vec<Value> = member.heard_so_far("said");
        for (number, said) in said.iter().enumerate() {
            assert_eq!(said["text"].as_str().unwrap().trim(), number.to_string());
        }
    }
    let log = sticky.stop();
    assert!(log.contains("a client is disconnected: it did not read for too long"), "{log}");
}

#[test]
fn the_memory_for_clients_that_do_not_read_is_bounded() {
    /// What `greedy.mjs` tells.
    #[derive(Debug, Deserialize)]
    struct Greedy {
        grown: i64,
        taken: u32,
        brought: u32,
    }
    const MESSAGES: u32 = 300;
    const LENGTH: u32 = 900_000;
    let sticky = server().start();
    let url = format!("http://{}", sticky.address());
    let input = json!({
        "url": url, "address": addresses().0, "messages": MESSAGES, "length": LENGTH,
    });
    let greedy: Greedy = node("greedy.mjs", &input);
    assert!(greedy.grown < 60_000_000, "{greedy:?}");
    assert!(greedy.taken < MESSAGES / 2 && greedy.brought < MESSAGES / 2, "{greedy:?}");
    sticky.stop();
}

#[test]
fn the_log_lines_of_bad_packets_are_bounded_and_counted() {
    const TIMES: usize = 5_000;
    for (options, packet) in [
        (server(), "40/no such namespace,"),
        (server().worker([binaries::conformance()]), r#"42["join",{"not":"a name"}]"#),
    ] {
        let sticky = options.start();
        let url = format!("http://{}", sticky.address());
        let input =
            json!({ "url": url, "address": addresses().0, "packet": packet, "times": TIMES });
        node::<()>("bad.mjs", &input);
        let errors = || sticky.stderr.lines_with("ERROR");
        if !errors().is_empty() {
            let counted = sticky.stderr.wait_for_text("more lines like this one in");
            assert!(counted.contains("WARN"), "{counted}");
        }
        assert!(errors().len() < 100, "{} lines", errors().len());
        sticky.stop();
    }
}
