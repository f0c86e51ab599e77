//! Socket.IO clients that do what a test tells them: the official client, in Node.

use std::cell::{Cell, RefCell};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{ChildStdin, Stdio};

use rustix::process::Signal;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::node::Node;
use crate::{pause, send};

/// Clients of one Node process.
#[derive(Debug)]
pub struct Clients {
    node: Node,
    input: RefCell<ChildStdin>,
    next: Cell<u64>,
}

/// A connected client.
#[derive(Debug)]
pub struct Client<'a> {
    clients: &'a Clients,
    name: u64,
    /// What the server told it first.
    pub welcome: Welcome,
}

/// Where a client is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "named as in the JSON")]
pub struct Welcome {
    pub slot: u32,
    pub pid: u32,
    pub id: String,
}

/// The outcome of something that goes on.
#[derive(Debug)]
#[must_use = "what goes wrong is noticed by waiting for it"]
pub struct Pending<'a> {
    clients: &'a Clients,
    id: u64,
}

/// How a client connects.
#[derive(Clone, Copy, Debug)]
pub enum Transport {
    /// HTTP long-polling.
    Polling,
    /// A WebSocket.
    Websocket,
}

impl Clients {
    /// Starts Node, without any client.
    pub fn new() -> Self {
        let mut node = Node::start("driver.mjs", None, Stdio::piped());
        let input = node.process.stdin.take().expect("stdin is a pipe");
        Self { node, input: RefCell::new(input), next: Cell::new(0) }
    }

    /// Connects over a WebSocket.
    pub fn connect(&self, to: SocketAddr, from: Ipv4Addr) -> Client<'_> {
        self.connect_by(Transport::Websocket, to, from, "/")
    }

    /// Connects to a namespace.
    pub fn connect_by(
        &self,
        transport: Transport,
        to: SocketAddr,
        from: Ipv4Addr,
        namespace: &str,
    ) -> Client<'_> {
        let name = self.next.get();
        let transport = match transport {
            Transport::Polling => "polling",
            Transport::Websocket => "websocket",
        };
        let url = format!("http://{to}{namespace}");
        let command = json!({
            "do": "connect", "name": name, "url": url, "address": from, "transports": [transport],
        });
        Client { clients: self, name, welcome: self.begin(command).wait() }
    }

    /// Stops them where they are: they read nothing until [`Clients::resume`].
    pub fn pause(&self) {
        pause(self.node.process.id());
    }

    /// Lets them go on.
    pub fn resume(&self) {
        send(self.node.process.id(), Signal::CONT);
    }

    fn begin(&self, mut command: Value) -> Pending<'_> {
        let id = self.next.replace(self.next.get() + 1);
        command["id"] = id.into();
        let mut input = self.input.borrow_mut();
        writeln!(input, "{command}").expect("Node reads what it is told");
        Pending { clients: self, id }
    }
}

impl Default for Clients {
    fn default() -> Self {
        Self::new()
    }
}

impl Pending<'_> {
    /// Waits for the outcome.
    #[track_caller]
    pub fn wait<T: DeserializeOwned>(self) -> T {
        #[derive(Deserialize)]
        struct Line {
            id: u64,
            #[serde(default)]
            ok: Value,
            error: Option<String>,
        }
        let line = self.clients.node.results.wait_for("the outcome of a client's doing", |line| {
            let line: Line = serde_json::from_str(line).expect("a line of JSON");
            (line.id == self.id).then_some(line)
        });
        let log = &self.clients.node.log;
        let line = line.unwrap_or_else(|| panic!("Node has ended: {}", log.text()));
        if let Some(error) = line.error {
            panic!("a client failed: {error}");
        }
        serde_json::from_value(line.ok).expect("the outcome is what the test expects")
    }

    /// Waits for what the server answers to what it was asked: `{ok: ...}` or `{error: ...}`.
    #[track_caller]
    pub fn answer<T: DeserializeOwned>(self) -> T {
        let outcome: Value = self.wait();
        assert!(outcome["error"].is_null(), "the server: {}", outcome["error"]);
        serde_json::from_value(outcome["ok"].clone()).expect("the answer is what the test expects")
    }
}

impl<'a> Client<'a> {
    /// Sends an event with these arguments, which the server answers.
    pub fn begin(&self, event: &str, args: impl Into<Value>) -> Pending<'a> {
        self.tell(json!({ "do": "ask", "event": event, "args": args.into() }))
    }

    /// Sends an event with these arguments, and gives what the server answers.
    #[track_caller]
    pub fn ask<T: DeserializeOwned>(&self, event: &str, args: impl Into<Value>) -> T {
        self.begin(event, args).answer()
    }

    /// What to answer when the server wants an answer to an event; without it, it waits.
    #[track_caller]
    pub fn answer_with(&self, value: impl Into<Value>) {
        self.tell(json!({ "do": "answer", "value": value.into() })).wait::<()>();
    }

    /// Lets the server wait for answers from now on.
    #[track_caller]
    pub fn answer_not_at_all(&self) {
        self.tell(json!({ "do": "answer" })).wait::<()>();
    }

    /// Waits until an event has come so often, and gives all of them so far, the first one first.
    #[track_caller]
    pub fn heard<T: DeserializeOwned>(&self, event: &str, at_least: usize) -> Vec<T> {
        self.tell(json!({ "do": "heard", "event": event, "atLeast": at_least })).wait()
    }

    /// What has come of an event, whether or not the client is still connected.
    #[track_caller]
    pub fn heard_so_far<T: DeserializeOwned>(&self, event: &str) -> Vec<T> {
        self.heard(event, 0)
    }

    /// Waits until the client is no longer connected, and tells why.
    #[track_caller]
    pub fn gone(&self) -> String {
        self.tell(json!({ "do": "gone" })).wait::<Vec<String>>().join("; ")
    }

    /// Asserts that it is connected, and always was.
    #[track_caller]
    pub fn assert_well(&self) {
        let failures: Vec<String> = self.tell(json!({ "do": "failures" })).wait();
        assert!(failures.is_empty(), "a client of slot {}: {failures:?}", self.welcome.slot);
    }

    /// Disconnects.
    pub fn leave(self) {
        self.tell(json!({ "do": "leave" })).wait::<()>();
    }

    fn tell(&self, mut command: Value) -> Pending<'a> {
        command["name"] = self.name.into();
        self.clients.begin(command)
    }
}
