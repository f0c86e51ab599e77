//! The digit rule is JavaScript's: what Node computes, the library and `sticky which` compute.

use std::net::Ipv4Addr;

use harness::{Cli, Which, node};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde::Deserialize;
use serde_json::json;
use sticky_ebpf::{Mapping, SlotCount};

const WORKERS: [u32; 12] = [1, 2, 3, 4, 5, 7, 8, 10, 16, 64, 255, 256];
const CLIENTS: usize = 4000;

/// What `digits.mjs` tells of an address.
#[derive(Debug, Deserialize)]
struct Digits {
    key: u64,
    slots: Vec<u32>,
}

/// Octets of each length as often as any other, and the ends of each length now and then.
fn octet() -> impl Strategy<Value = u8> {
    let ends = prop::sample::select(vec![0, 9, 10, 99, 100, 255]);
    prop_oneof![0..=9_u8, 10..=99_u8, 100..=255_u8, ends]
}

#[test]
fn as_in_node() {
    // All in one case, since each case is a process. What fails names its address: there is nothing
    // to shrink.
    let address = prop::array::uniform4(octet()).prop_map(Ipv4Addr::from);
    let case = vec(address, CLIENTS).new_tree(&mut TestRunner::default()).unwrap();
    let ends = [Ipv4Addr::UNSPECIFIED, Ipv4Addr::LOCALHOST, Ipv4Addr::BROADCAST];
    compare(&[case.current(), ends.into()].concat());
}

fn compare(clients: &[Ipv4Addr]) {
    let input = json!({ "addresses": clients, "workers": WORKERS });
    let digits: Vec<Digits> = node("digits.mjs", &input);
    assert_eq!(digits.len(), clients.len());
    for (column, workers) in WORKERS.into_iter().enumerate() {
        let mapping = Mapping::new(SlotCount::new(workers).unwrap());
        let which = Cli::new(["which", "--workers", &workers.to_string()]);
        let told: Vec<Which> = which.args(clients.iter().map(Ipv4Addr::to_string)).json();
        for ((&client, digits), told) in clients.iter().zip(&digits).zip(told) {
            let slot = digits.slots[column];
            assert_eq!(mapping.slot_of(client.into()).get(), slot, "{client} of {workers}");
            let expected = Which { ip: client.into(), key: digits.key, slot };
            assert_eq!(told, expected, "{client} of {workers}");
        }
    }
}
