//! More than one host, and a Redis Cluster.

use std::net::Ipv4Addr;

use harness::rights::{Right, missing};
use harness::{
    Clients, Cluster, Mode, Namespace, Redis, Sticky, StickyOptions, binaries, wait_until,
};
use serde_json::{Value, json};

use super::{ids, join, one_at_each_slot, patient, said, say, settle};

/// Clients and Redis have addresses of their own, which both hosts reach by way of the hub.
const REDIS: &str = "10.0.0.1";
const CLIENTS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 11), Ipv4Addr::new(10, 0, 0, 12)];

/// Two hosts, and between them a network with Redis and the clients.
struct Hosts {
    hub: Namespace,
    hosts: [Namespace; 2],
}

impl Hosts {
    fn new() -> Self {
        let this = Self { hub: Namespace::new(), hosts: [Namespace::new(), Namespace::new()] };
        this.hub.ip(&["address", "add", &format!("{REDIS}/24"), "dev", "lo"]);
        for client in CLIENTS {
            this.hub.ip(&["address", "add", &format!("{client}/24"), "dev", "lo"]);
        }
        for (number, host) in (1..).zip(&this.hosts) {
            let [gateway, address] = [1, 2].map(|end| format!("10.0.{number}.{end}"));
            this.hub.connect(&format!("{gateway}/24"), host, &format!("{address}/24"));
            host.ip(&["route", "add", "10.0.0.0/24", "via", &gateway]);
        }
        this
    }

    fn redis(&self) -> (Redis, String) {
        let redis = self.hub.inside(Redis::for_everybody);
        let url = format!("redis://{REDIS}:{}/", redis.port());
        (redis, url)
    }

    fn serve(&self, host: usize, redis: &str, options: StickyOptions) -> Sticky {
        let listen = format!("10.0.{}.2:0", host + 1);
        let options = options.with("--listen", listen).with("--redis", redis);
        self.hosts[host].inside(|| options.start())
    }

    fn stop(&self, host: usize, server: Sticky) {
        self.hosts[host].inside(|| server.stop());
    }
}

#[test]
fn two_hosts_on_one_redis() {
    if !missing(Right::Root) {
        let hosts = Hosts::new();
        let (_redis, url) = hosts.redis();
        rooms_span_hosts_and_one_that_dies_is_not_waited_for(&hosts, &url);
    }
}

#[test]
fn two_hosts_on_a_cluster() {
    if !missing(Right::Root) {
        let hosts = Hosts::new();
        let cluster = hosts.hub.inside(|| Cluster::start(REDIS));
        rooms_span_hosts_and_one_that_dies_is_not_waited_for(&hosts, cluster.urls());
    }
}

fn rooms_span_hosts_and_one_that_dies_is_not_waited_for(hosts: &Hosts, redis: &str) {
    let first = hosts.serve(0, redis, patient());
    let mut second = hosts.serve(1, redis, patient());
    let clients = hosts.hub.inside(Clients::new);
    let a = clients.connect(first.address(), CLIENTS[0]);
    let b = clients.connect(second.address(), CLIENTS[1]);
    join("tea", [&a, &b]);
    say(&a, json!({ "to": ["tea"] }), "by the first");
    say(&b, json!({ "to": ["tea"] }), "by the second");
    settle(&a, [&a, &b]);
    settle(&b, [&a, &b]);
    for client in [&a, &b] {
        let mut heard = said(client);
        heard.sort();
        assert_eq!(heard, ["by the first", "by the second"]);
    }
    let found: Vec<Value> = a.ask("fetch", json!([{ "to": ["tea"] }]));
    assert_eq!(found.len(), 2);

    second.kill_all();
    b.gone();
    // Its connections have closed: with time-outs of an hour, nobody could wait for it.
    let found: Vec<Value> = a.ask("fetch", json!([{ "to": ["tea"] }]));
    assert_eq!(found.len(), 1);
    say(&a, json!({ "to": ["tea"] }), "alone");
    settle(&a, [&a]);
    assert!(said(&a).contains(&"alone".to_owned()));
    a.assert_well();
    hosts.stop(0, first);
}

#[test]
fn a_host_that_goes_without_a_word_is_waited_for_once_at_most() {
    if missing(Right::Root) {
        return;
    }
    let hosts = Hosts::new();
    let (_redis, url) = hosts.redis();
    // With the time-out that is documented: five seconds.
    let hasty = || Sticky::new(Mode::Cbpf, 2).worker([binaries::conformance()]);
    let first = hosts.serve(0, &url, hasty());
    let second = hosts.serve(1, &url, hasty());
    let clients = hosts.hub.inside(Clients::new);
    let a = clients.connect(first.address(), CLIENTS[0]);
    let b = clients.connect(second.address(), CLIENTS[1]);
    join("tea", [&a, &b]);

    hosts.hosts[1].ip(&["link", "set", "lo", "down"]);
    hosts.hosts[1].ip(&["route", "del", "10.0.0.0/24"]);
    // Redis still counts it: the answer comes when the time-out is over, without it.
    let found: Vec<Value> = a.ask("fetch", json!([{ "to": ["tea"] }]));
    assert_eq!(found.len(), 1);
    a.assert_well();
    drop(second);
    hosts.stop(0, first);
}

#[test]
fn a_cluster_carries_broadcasts_too() {
    let cluster = Cluster::start("127.0.0.1");
    let sticky = patient().with("--redis", cluster.urls()).start();
    let clients = Clients::new();
    let all = one_at_each_slot(&sticky, &clients);
    join("tea", &all);
    for speaker in &all {
        say(speaker, json!({ "to": ["tea"] }), format!("by slot {}", speaker.welcome.slot));
        settle(speaker, &all);
    }
    for client in &all {
        assert_eq!(said(client), ["by slot 0", "by slot 1", "by slot 2", "by slot 3"]);
    }
    assert_eq!(super::fetch(&all[0], json!({ "to": ["tea"] })), ids(&all));
    for client in &all {
        client.assert_well();
    }
    sticky.stop();
}

/// In a cluster, all that the bus says goes through the hash slot of this channel.
const CHANNEL: &str = "{socket.io}-request#/#";

#[test]
fn a_cluster_hands_the_bus_to_another_node() {
    follows(|cluster| cluster.hand_over(CHANNEL));
}

#[test]
fn a_replica_takes_the_place_of_the_node_that_has_the_bus() {
    // The old one goes on to carry what is said, so that only a look at the cluster tells.
    follows(|cluster| cluster.fail_over(CHANNEL));
}

fn follows(moves: impl FnOnce(&mut Cluster)) {
    let mut cluster = Cluster::start("127.0.0.1");
    let sticky = patient().with("--redis", cluster.urls()).start();
    let clients = Clients::new();
    let all = one_at_each_slot(&sticky, &clients);
    join("tea", &all);
    moves(&mut cluster);
    wait_until("every worker has followed", || {
        let status = sticky.status();
        let mut buses = status.slots.iter().map(|slot| slot.bus.unwrap());
        buses.all(|bus| bus.up && bus.reconnects > 0 && bus.peers == 3).then_some(())
    });
    for speaker in &all {
        say(speaker, json!({ "to": ["tea"] }), format!("by slot {}", speaker.welcome.slot));
        settle(speaker, &all);
    }
    for client in &all {
        assert_eq!(said(client), ["by slot 0", "by slot 1", "by slot 2", "by slot 3"]);
        client.assert_well();
    }
    assert_eq!(super::fetch(&all[0], json!({ "to": ["tea"] })), ids(&all));
    sticky.stop();
}
