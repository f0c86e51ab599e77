//! Many clients at work while something happens to the server.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::{ChildStdin, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::node::Node;
use crate::{Sticky, addresses_of_slot, wait_until};

/// How clients of the crowd talk to the server.
const KINDS: [&str; 6] =
    ["polling", "pollingKeepAlive", "websocket", "upgrading", "keepAlive", "perRequest"];
/// What each does between two requests, in milliseconds.
const PAUSE: u32 = 20;

/// Clients of each kind for every slot, at work.
#[derive(Debug)]
pub struct Crowd {
    node: Node,
    input: ChildStdin,
    /// How often it has said that all are at work.
    running: usize,
}

/// What a crowd noticed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "crowd.mjs describes it")]
pub struct Seen {
    pub acked: u64,
    pub unanswered: u64,
    pub connects: u64,
    pub disconnects: BTreeMap<String, u64>,
    pub most_disconnects: u64,
    pub errors: Vec<String>,
    pub answers: u64,
    pub wrong_slots: Vec<String>,
    pub requests: Requests,
    pub members: u64,
    pub connected: u64,
}

/// What came of the HTTP requests.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "watch.mjs describes it")]
pub struct Requests {
    pub made: u64,
    pub answered: u64,
    pub given_up: u64,
    pub turned_away: u64,
    pub refused: u64,
    pub failed: Vec<String>,
}

impl Crowd {
    /// Lets `each` clients of each kind begin at every slot, and waits until all are at work.
    pub fn start(sticky: &Sticky, each: usize) -> Self {
        let workers = sticky.status().workers;
        let mut input = json!({ "url": format!("http://{}", sticky.address()), "pause": PAUSE });
        for kind in KINDS {
            input[kind] = json!([]);
        }
        for slot in 0..workers {
            let addresses = addresses_of_slot(slot, workers, each * KINDS.len());
            for (kind, addresses) in KINDS.iter().zip(addresses.chunks(each)) {
                let client = |address: &Ipv4Addr| json!({ "address": address, "slot": slot });
                let clients: &mut Vec<Value> =
                    input[*kind].as_array_mut().expect("it was made a list");
                clients.extend(addresses.iter().map(client));
            }
        }
        let mut node = Node::start("crowd.mjs", Some(input.to_string()), Stdio::piped());
        let input = node.process.stdin.take().expect("stdin is a pipe");
        let mut crowd = Self { node, input, running: 0 };
        crowd.wait_until_running();
        crowd
    }

    /// Waits until each client has had an answer to something that it asks from now on.
    pub fn wait_for_all(&mut self) {
        writeln!(self.input, "again").expect("Node reads what it is told");
        self.wait_until_running();
    }

    fn wait_until_running(&mut self) {
        let left = Cell::new(self.running + 1);
        let running = |line: &str| {
            if line == "running" {
                left.set(left.get() - 1);
            }
            (left.get() == 0).then_some(())
        };
        let began = self.node.results.wait_for("the crowd is at work", running);
        assert!(began.is_some(), "the crowd has ended: {}", self.node.log.text());
        self.running += 1;
    }

    /// Ends its work, and tells what it noticed.
    #[track_caller]
    pub fn stop(mut self) -> Seen {
        writeln!(self.input, "stop").expect("Node reads what it is told");
        let node = &mut self.node;
        let status = wait_until("the crowd ends", || node.process.try_wait().expect("our child"));
        node.results.wait_for_end();
        let text = node.results.text();
        let failure = || format!("crowd.mjs ended with {status}:\n{text}\n{}", node.log.text());
        assert!(status.success(), "{}", failure());
        let last = text.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}; {}", failure()))
    }

    /// Ends its work: nobody lost or missed anything.
    #[track_caller]
    pub fn stop_unharmed(self) -> Seen {
        let seen = self.stop();
        // Shown when the test fails, or on demand.
        println!("{seen:?}");
        assert!(seen.requests.failed.is_empty(), "failed requests: {:#?}", seen.requests.failed);
        assert_eq!(seen.requests.refused, 0, "refused connections");
        assert!(seen.wrong_slots.is_empty(), "wrong slots: {:#?}", seen.wrong_slots);
        assert!(seen.errors.is_empty(), "errors: {:#?}", seen.errors);
        assert_eq!(seen.connected, seen.members, "Socket.IO clients that are connected");
        assert!(seen.acked > 0 && seen.answers > 0, "it was at work: {seen:?}");
        seen
    }
}
