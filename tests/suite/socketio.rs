//! Socket.IO with the official client: sessions stay whole, and messages cross workers.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};

use harness::http::get;
use harness::{Mode, Redis, Sticky, addresses, addresses_of_slot, digit_slot, node};
use serde::Deserialize;
use serde_json::{Value, json};

in_every_mode!(polling_only, polling_with_upgrade, rooms_over_the_embedded_bus, rooms_over_redis,);
in_modes!(alone: Ebpf, [the_wrong_worker_knows_no_session]);

const WORKERS: u32 = 4;

/// What a client of `sessions.mjs` tells.
#[derive(Debug, Deserialize)]
struct Session {
    address: Ipv4Addr,
    failures: Vec<String>,
    welcome: Option<u32>,
    answered: Option<u32>,
    slot: Option<u32>,
    peer: Option<SocketAddr>,
    transport: Option<String>,
}

fn polling_only(mode: Mode) {
    sessions(mode, &["polling"], "polling");
}

fn polling_with_upgrade(mode: Mode) {
    sessions(mode, &["polling", "websocket"], "websocket");
}

fn sessions(mode: Mode, transports: &[&str], last: &str) {
    const CLIENTS: usize = 100;
    const MESSAGES: u32 = 5;

    let sticky = Sticky::new(mode, WORKERS).start();
    let input = json!({
        "url": format!("http://{}", sticky.address()),
        "addresses": addresses(CLIENTS),
        "transports": transports,
        "messages": MESSAGES,
    });
    let sessions: Vec<Session> = node("sessions.mjs", &input);
    assert_eq!(sessions.len(), CLIENTS);
    for session in &sessions {
        assert!(session.failures.is_empty(), "{session:?}");
        let slot = digit_slot(session.address, WORKERS);
        assert_eq!((session.welcome, session.slot), (Some(slot), Some(slot)), "{session:?}");
        assert_eq!(session.answered, Some(2 * MESSAGES), "{session:?}");
        assert_eq!(session.peer.unwrap().ip(), session.address);
        assert_eq!(session.transport.as_deref(), Some(last), "{session:?}");
    }
    sticky.stop();
}

/// What the tests above would see if a request came to another worker than its session.
fn the_wrong_worker_knows_no_session(mode: Mode) {
    let sticky = Sticky::new(mode, WORKERS).start();
    let [at_home, abroad] = [1, 2].map(|slot| addresses_of_slot(slot, WORKERS, 1)[0]);
    let path = "/socket.io/?EIO=4&transport=polling";
    let (_, open) = get(at_home, sticky.address(), path).unwrap();
    let open: Value = serde_json::from_str(&open[1..]).unwrap();
    let path = format!("{path}&sid={}", open["sid"].as_str().unwrap());
    let (status, answer) = get(abroad, sticky.address(), &path).unwrap();
    assert_eq!(status, 400);
    assert!(answer.contains("Session ID unknown"), "{answer}");
    sticky.stop();
}

/// What a member of `room.mjs` tells.
#[derive(Debug, Deserialize)]
struct Member {
    address: Ipv4Addr,
    slot: u32,
    id: String,
    rooms: Vec<String>,
    sent: Value,
    got: Vec<Said>,
    after: Vec<Said>,
    failures: Vec<String>,
    who: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct Said {
    room: String,
    text: String,
    from: String,
    slot: u32,
}

fn rooms_over_the_embedded_bus(mode: Mode) {
    let sticky = Sticky::new(mode, WORKERS).start();
    sticky.stderr.wait_for_text("broadcasts cross workers over the embedded bus");
    rooms(&sticky);
    sticky.stop();
}

fn rooms_over_redis(mode: Mode) {
    let redis = Redis::start();
    let sticky = Sticky::new(mode, WORKERS).with("--redis", redis.url()).start();
    sticky.stderr.wait_for_text("broadcasts cross workers over redis://127.0.0.1:");
    rooms(&sticky);
    sticky.stop();
}

/// A room with members at every worker, each of which says something.
fn rooms(sticky: &Sticky) {
    const EACH: usize = 4;

    let clients: Vec<Ipv4Addr> =
        (0..WORKERS).flat_map(|slot| addresses_of_slot(slot, WORKERS, EACH)).collect();
    let input = json!({
        "url": format!("http://{}", sticky.address()),
        "addresses": clients,
        "transports": ["polling", "websocket"],
    });
    let members: Vec<Member> = node("room.mjs", &input);

    let ids: HashSet<&str> = members.iter().map(|member| member.id.as_str()).collect();
    assert_eq!(ids.len(), clients.len());
    for member in &members {
        assert!(member.failures.is_empty(), "{member:?}");
        assert_eq!(member.rooms, ["lobby"]);
        assert_eq!(member.slot, digit_slot(member.address, WORKERS));
        assert_eq!(member.sent, json!({ "slot": member.slot }));
        // From each of them once, at whichever worker they are.
        let heard: HashSet<_> = member.got.iter().map(|said| (&said.from, &said.text)).collect();
        let texts: Vec<_> =
            members.iter().map(|of| (&of.id, format!("from {}", of.address))).collect();
        let expected: HashSet<_> = texts.iter().map(|(id, text)| (*id, text)).collect();
        assert_eq!(heard, expected, "{}", member.address);
        assert_eq!(member.got.len(), clients.len(), "nothing twice");
        for said in &member.got {
            let sender = members.iter().find(|sender| sender.id == said.from).unwrap();
            assert_eq!((said.room.as_str(), said.slot), ("lobby", sender.slot));
        }
    }
    let who: HashSet<&str> = members[0].who.as_ref().unwrap().iter().map(String::as_str).collect();
    assert_eq!(who, ids, "everybody at every worker is in the room");
    assert!(members[0].after.is_empty(), "who has left hears no more");
    assert!(members[1..].iter().all(|member| member.after.len() == 1));
}
