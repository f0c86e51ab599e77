//! `--listen [::]:PORT` serves both families, each with its own key, the same in every mode.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use harness::http::{for_each, whoami};
use harness::rights::{Right, missing};
use harness::{Mode, Namespace, Sticky, digit_slot, edge_addresses};

in_every_mode!(each_family_has_its_key, a_prefix_of_another_length);

const WORKERS: u32 = 5;
/// What `--ipv6-prefix` is unless told otherwise.
const DEFAULT: u8 = 64;

fn each_family_has_its_key(mode: Mode) {
    let Some(network) = Network::new() else { return };
    let slots = network.serve(mode, None);

    let networks = slots_by_prefix(&slots, 64);
    assert!(networks.values().all(|slots| slots.len() == 1), "a /64 has one slot: {networks:?}");
    let used: HashSet<u32> = networks.into_values().flatten().collect();
    assert_eq!(used.len(), WORKERS as usize, "networks are spread over the slots");
}

fn a_prefix_of_another_length(mode: Mode) {
    let Some(network) = Network::new() else { return };
    for bits in [0, 47, 56, 128] {
        let slots = network.serve(mode, Some(bits));
        let networks = slots_by_prefix(&slots, bits);
        assert!(networks.values().all(|slots| slots.len() == 1), "/{bits}: {networks:?}");
        if bits == 128 {
            let split = slots_by_prefix(&slots, 64);
            assert!(split.values().any(|slots| slots.len() > 1), "hosts of a /64 are told apart");
        }
    }
}

/// A network namespace, and the clients that it has.
struct Network {
    namespace: Namespace,
    clients: Vec<IpAddr>,
}

impl Network {
    /// `None` where this may not be done.
    fn new() -> Option<Self> {
        if missing(Right::Root) {
            return None;
        }
        let namespace = Namespace::new();
        let ipv6 = ipv6_clients();
        for &client in &ipv6 {
            namespace.add_address(client, 64);
        }
        let ipv4 = edge_addresses().into_iter().step_by(3).map(IpAddr::from);
        let clients = ipv4.chain(ipv6.into_iter().map(IpAddr::from)).collect();
        Some(Self { namespace, clients })
    }

    /// Serves, and has each client ask who serves it. Holds the answers against the rule as it is
    /// documented and against `sticky which`.
    fn serve(&self, mode: Mode, prefix: Option<u8>) -> Vec<(IpAddr, u32)> {
        self.namespace.inside(|| {
            let mut options = Sticky::new(mode, WORKERS).with("--listen", "[::]:0");
            if let Some(bits) = prefix {
                options = options.with("--ipv6-prefix", bits.to_string());
            }
            let sticky = options.start();
            let port = sticky.address().port();
            let answers = for_each(&self.clients, |&client| {
                let loopback: IpAddr = match client {
                    IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                    IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
                };
                whoami(client, SocketAddr::new(loopback, port)).unwrap()
            });
            let told = sticky.which(&self.clients);
            let mut slots = Vec::new();
            for ((&client, answer), told) in self.clients.iter().zip(answers).zip(told) {
                let slot = documented_slot(client, prefix.unwrap_or(DEFAULT));
                assert_eq!((answer.slot, told), (slot, slot), "{client} with {prefix:?}");
                assert_eq!((answer.peer.ip(), answer.mode.as_str()), (client, mode.name()));
                slots.push((client, slot));
            }
            sticky.stop();
            slots
        })
    }
}

/// Several hosts in several networks, IPv4 clients behind NAT64, and what looks like one and is not.
fn ipv6_clients() -> Vec<Ipv6Addr> {
    let networks = (0..12).map(|network| 0x2001_0db8_5600_0000_u64 + network * 0x0101);
    let ula = [0xfd00_0000_0000_0000, 0xfdff_1234_5678_9abc];
    let hosts = [1, 0xffff, 0x0123_4567_89ab_cdef, u64::MAX];
    let native = networks.chain(ula).flat_map(|network| hosts.map(|host| (network, host)));
    let native = native.map(|(network, host)| Ipv6Addr::from_bits(join(network, host)));
    let translated = edge_addresses().into_iter().step_by(7).map(nat64);
    // The prefix for local use (RFC 8215), and one bit more in each of the words.
    let others = ["64:ff9b:1::7f01:203", "64:ff9b::1:7f01:203", "64:ff9b:0:1::7f01:203"];
    native.chain(translated).chain(others.map(|text| text.parse().unwrap())).collect()
}

fn join(network: u64, host: u64) -> u128 {
    u128::from(network) << 64 | u128::from(host)
}

/// RFC 6052: the IPv4 address in the last 32 bits.
fn nat64(client: Ipv4Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(join(0x0064_ff9b << 32, client.to_bits().into()))
}

/// The rule of docs/modes.md, written from there and on purpose not by sticky's own library.
fn documented_slot(client: IpAddr, prefix: u8) -> u32 {
    let client = match client {
        IpAddr::V4(client) => return digit_slot(client, WORKERS),
        IpAddr::V6(client) => client,
    };
    let [.., a, b, c, d] = client.octets();
    let ipv4 = Ipv4Addr::new(a, b, c, d);
    if client == nat64(ipv4) {
        return digit_slot(ipv4, WORKERS);
    }
    let mut hash = 0;
    let words = network(client, prefix).to_be_bytes();
    for word in words.chunks_exact(4).take(usize::from(prefix).div_ceil(32)) {
        hash = fmix32(hash ^ u32::from_be_bytes(word.try_into().unwrap()));
    }
    hash % WORKERS
}

/// The 32-bit finaliser of `MurmurHash3`.
fn fmix32(hash: u32) -> u32 {
    let hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    let hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

/// An address with all but its prefix set to zero.
fn network(client: Ipv6Addr, prefix: u8) -> u128 {
    let host = u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
    client.to_bits() & !host
}

/// Which slots the native IPv6 clients of each network have.
fn slots_by_prefix(slots: &[(IpAddr, u32)], prefix: u8) -> HashMap<u128, HashSet<u32>> {
    let mut networks: HashMap<u128, HashSet<u32>> = HashMap::new();
    for &(client, slot) in slots {
        if let IpAddr::V6(client) = client
            && client.segments()[0] != 0x64
        {
            networks.entry(network(client, prefix)).or_default().insert(slot);
        }
    }
    networks
}
