//! Workers that speak to each other: every feature of the adapter, over both buses.

/// Makes a test of each function for each bus.
macro_rules! over_both_buses {
    ($($test:ident),+ $(,)?) => {
        mod mesh {
            $(
                #[test]
                fn $test() {
                    super::$test(crate::bus::Bus::Mesh);
                }
            )+
        }
        mod redis {
            $(
                #[test]
                fn $test() {
                    super::$test(crate::bus::Bus::Redis);
                }
            )+
        }
    };
}

mod acks;
mod client_library;
mod crash;
mod full_queue;
mod hostile;
mod hosts;
mod one_by_one;
mod others;
mod outage;
mod payloads;
mod rooms;
mod sockets;
mod stopped;

use std::array;
use std::sync::atomic::{AtomicU32, Ordering};

use harness::clients::Transport;
use harness::{Client, Clients, Mode, Redis, Sticky, StickyOptions, addresses_of_slot, binaries};
use serde_json::{Value, json};

const WORKERS: u32 = 4;

/// What carries broadcasts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bus {
    Mesh,
    Redis,
}

/// A server with a worker at each of [`WORKERS`] slots.
pub(crate) struct Server {
    sticky: Sticky,
    // Behind `sticky`: dropped after it.
    _redis: Option<Redis>,
}

impl Bus {
    pub(crate) fn serve(self) -> Server {
        match self {
            Self::Mesh => Server { sticky: patient().start(), _redis: None },
            Self::Redis => {
                let redis = Redis::start();
                let sticky = patient().with("--redis", redis.url()).start();
                Server { sticky, _redis: Some(redis) }
            }
        }
    }
}

/// Workers that wait for each other's answers for longer than a test does: whatever passes did not
/// wait for anybody in vain.
fn patient() -> StickyOptions {
    // A worker that a test stops is not to be taken for hung before the test goes on.
    let server = Sticky::new(Mode::Cbpf, WORKERS).with("--watchdog", "off");
    server.worker([binaries::conformance()]).worker_args(["--patient"])
}

impl Server {
    fn connect<'a>(&self, clients: &'a Clients, slot: u32) -> Client<'a> {
        connect(&self.sticky, clients, slot)
    }

    fn connect_by<'a>(
        &self,
        transport: Transport,
        clients: &'a Clients,
        slot: u32,
        namespace: &str,
    ) -> Client<'a> {
        let from = addresses_of_slot(slot, WORKERS, 1)[0];
        let client = clients.connect_by(transport, self.sticky.address(), from, namespace);
        assert_eq!(client.welcome.slot, slot);
        client
    }

    fn one_at_each_slot<'a>(&self, clients: &'a Clients) -> [Client<'a>; WORKERS as usize] {
        one_at_each_slot(&self.sticky, clients)
    }

    /// All of these clients were connected all the time, and nothing is left.
    fn stop<'a>(self, clients: impl IntoIterator<Item = &'a Client<'a>>) {
        clients.into_iter().for_each(Client::assert_well);
        self.sticky.stop();
    }
}

fn connect<'a>(sticky: &Sticky, clients: &'a Clients, slot: u32) -> Client<'a> {
    let client = clients.connect(sticky.address(), addresses_of_slot(slot, WORKERS, 1)[0]);
    assert_eq!(client.welcome.slot, slot);
    client
}

fn one_at_each_slot<'a>(sticky: &Sticky, clients: &'a Clients) -> [Client<'a>; WORKERS as usize] {
    let mut slots = 0..;
    array::from_fn(|_| connect(sticky, clients, slots.next().unwrap()))
}

fn join<'a>(room: &str, members: impl IntoIterator<Item = &'a Client<'a>>) {
    for member in members {
        let rooms: Vec<String> = member.ask("join", json!([room]));
        assert!(rooms.iter().any(|joined| joined == room), "{rooms:?}");
    }
}

/// Emits an event "said".
#[track_caller]
fn say(from: &Client<'_>, target: impl Into<Value>, data: impl Into<Value>) {
    from.ask::<()>("emit", json!([target.into(), "said", data.into()]));
}

/// Waits until these clients of a namespace have heard all that `from` said before.
#[track_caller]
fn settle_in<'a>(
    namespace: &str,
    from: &Client<'_>,
    hearers: impl IntoIterator<Item = &'a Client<'a>>,
) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let event = format!("settled {}", NEXT.fetch_add(1, Ordering::Relaxed));
    from.ask::<()>("emit", json!([{ "namespace": namespace }, event, null]));
    for hearer in hearers {
        hearer.heard::<()>(&event, 1);
    }
}

#[track_caller]
fn settle<'a>(from: &Client<'_>, hearers: impl IntoIterator<Item = &'a Client<'a>>) {
    settle_in("/", from, hearers);
}

/// What a client heard said so far.
#[track_caller]
fn said(client: &Client<'_>) -> Vec<String> {
    client.heard("said", 0)
}

/// The ids of these clients, in order.
fn ids<'a>(clients: impl IntoIterator<Item = &'a Client<'a>>) -> Vec<String> {
    sorted(clients.into_iter().map(|client| client.welcome.id.clone()))
}

fn sorted(texts: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut texts: Vec<_> = texts.into_iter().collect();
    texts.sort();
    texts
}

/// The ids of the clients that a worker finds when it asks all, in order.
#[track_caller]
fn fetch(from: &Client<'_>, target: impl Into<Value>) -> Vec<String> {
    let found: Vec<Value> = from.ask("fetch", json!([target.into()]));
    sorted(found.iter().map(|one| one["id"].as_str().unwrap().to_owned()))
}
