//! The mapping of `sticky-ebpf`, written a second time: in classic BPF.
//!
//! The tests hold it to the first, address by address.

use sticky_contract::SlotId;
use sticky_ebpf::Mapping;
use sticky_ebpf::key::{FMIX32_FIRST, FMIX32_SECOND, IPV4_MAPPED, NAT64};

use super::assembler::{Assembler, Instruction, Label, TooManyInstructions, op};

/// Loads from here on are counted from the IP header (`SKF_NET_OFF`).
pub(super) const FROM_NETWORK_HEADER: u32 = (-0x10_0000_i32).cast_unsigned();
/// Loads from here give what the kernel knows of the packet: its protocol (`SKF_AD_PROTOCOL`).
pub(super) const PROTOCOL: u32 = (-0x1000_i32).cast_unsigned();
pub(super) const IPV4: u32 = 0x0800;
pub(super) const IPV6: u32 = 0x86dd;
const IPV4_SOURCE: u32 = FROM_NETWORK_HEADER + 12;
const IPV6_SOURCE: u32 = FROM_NETWORK_HEADER + 8;

/// Returned where there is no slot: no group is that large, so the kernel falls back to its hash.
pub(super) const NO_SLOT: u32 = u32::MAX;

/// Words of scratch memory.
const NUMBER: u32 = 0;
const HASH: u32 = 1;

/// The program for `mapping`. It returns a listener's place in the group; `places` tells the slot
/// at each place.
pub(super) fn assemble(
    mapping: &Mapping,
    places: &[Option<SlotId>],
) -> Result<Vec<Instruction>, TooManyInstructions> {
    let mut asm = Assembler::default();
    let (ipv6, bucket) = (asm.label(), asm.label());
    let buckets = mapping.slots().buckets();

    asm.emit(op::LOAD_WORD, PROTOCOL);
    asm.jump_if(op::JUMP_IF_EQUAL, IPV6, ipv6);
    let ipv4 = asm.label();
    asm.jump_if(op::JUMP_IF_EQUAL, IPV4, ipv4);
    asm.emit(op::RETURN, NO_SLOT);

    asm.place(ipv4);
    digits(&mut asm, IPV4_SOURCE, buckets);
    asm.jump(bucket);

    asm.place(ipv6);
    ipv6_key(&mut asm, mapping, bucket);

    asm.place(bucket);
    slot(&mut asm, mapping, places);
    asm.finish()
}

/// A = digits of the IPv4 address at `source`, mod `buckets`.
///
/// The digits need 38 bits and A has 32, so the remainder is taken after each octet.
fn digits(asm: &mut Assembler, source: u32, buckets: u32) {
    asm.emit(op::LOAD_BYTE, source);
    asm.emit(op::MODULO, buckets);
    for octet in 1..4 {
        let (three, two, add) = (asm.label(), asm.label(), asm.label());
        asm.emit(op::STORE, NUMBER);
        asm.emit(op::LOAD_BYTE, source + octet);
        asm.emit(op::COPY_TO_X, 0);
        asm.jump_if(op::JUMP_IF_AT_LEAST, 100, three);
        asm.jump_if(op::JUMP_IF_AT_LEAST, 10, two);
        shift_by(asm, 10);
        asm.jump(add);
        asm.place(two);
        shift_by(asm, 100);
        asm.jump(add);
        asm.place(three);
        shift_by(asm, 1000);
        asm.place(add);
        asm.emit(op::ADD_X, 0);
        asm.emit(op::MODULO, buckets);
    }
}

fn shift_by(asm: &mut Assembler, factor: u32) {
    asm.emit(op::LOAD_MEMORY, NUMBER);
    asm.emit(op::MULTIPLY, factor);
}

/// A = key of the IPv6 address, mod buckets; goes on at `done`, or right behind.
fn ipv6_key(asm: &mut Assembler, mapping: &Mapping, done: Label) {
    let [word0, word1, word2, _] = [0, 4, 8, 12].map(|offset| IPV6_SOURCE + offset);
    let (nat64, mapped, embedded, native) = (asm.label(), asm.label(), asm.label(), asm.label());
    let buckets = mapping.slots().buckets();

    asm.emit(op::LOAD_WORD, word1);
    let maybe = asm.label();
    asm.jump_if(op::JUMP_IF_EQUAL, 0, maybe);
    asm.jump(native);

    asm.place(maybe);
    asm.emit(op::LOAD_WORD, word0);
    asm.jump_if(op::JUMP_IF_EQUAL, NAT64[0], nat64);
    asm.jump_if(op::JUMP_IF_EQUAL, IPV4_MAPPED[0], mapped);
    asm.jump(native);
    asm.place(nat64);
    asm.emit(op::LOAD_WORD, word2);
    asm.jump_if(op::JUMP_IF_EQUAL, NAT64[2], embedded);
    asm.jump(native);
    asm.place(mapped);
    asm.emit(op::LOAD_WORD, word2);
    asm.jump_if(op::JUMP_IF_EQUAL, IPV4_MAPPED[2], embedded);
    asm.jump(native);

    asm.place(embedded);
    digits(asm, IPV6_SOURCE + 12, buckets);
    asm.jump(done);

    asm.place(native);
    prefix_hash(asm, mapping.ipv6_prefix().masks());
    asm.emit(op::MODULO, buckets);
}

/// A = the chained `fmix32` of the words that the prefix covers.
fn prefix_hash(asm: &mut Assembler, masks: [u32; 4]) {
    asm.emit(op::LOAD_CONSTANT, 0);
    for (offset, mask) in [0, 4, 8, 12].into_iter().zip(masks) {
        if mask == 0 {
            continue;
        }
        asm.emit(op::STORE, HASH);
        asm.emit(op::LOAD_WORD, IPV6_SOURCE + offset);
        asm.emit(op::AND, mask);
        asm.emit(op::LOAD_X_MEMORY, HASH);
        asm.emit(op::XOR_X, 0);
        xor_with_shifted(asm, 16);
        asm.emit(op::MULTIPLY, FMIX32_FIRST);
        xor_with_shifted(asm, 13);
        asm.emit(op::MULTIPLY, FMIX32_SECOND);
        xor_with_shifted(asm, 16);
    }
}

/// A ^= A >> bits.
fn xor_with_shifted(asm: &mut Assembler, bits: u32) {
    asm.emit(op::COPY_TO_X, 0);
    asm.emit(op::SHIFT_RIGHT, bits);
    asm.emit(op::XOR_X, 0);
}

/// Returns the place of the slot of bucket A.
fn slot(asm: &mut Assembler, mapping: &Mapping, places: &[Option<SlotId>]) {
    let slots = mapping.slots().get();
    let place_of = |slot: SlotId| {
        let place = places.iter().position(|&at| at == Some(slot));
        place.and_then(|place| u32::try_from(place).ok()).unwrap_or(NO_SLOT)
    };
    for (bucket, slot) in (0..).zip(mapping.table()) {
        if slot.get() != bucket % slots {
            asm.return_if_equal(bucket, place_of(slot));
        }
    }
    asm.emit(op::MODULO, slots);
    for slot in mapping.slots().iter() {
        let place = place_of(slot);
        if place != slot.get() {
            asm.return_if_equal(slot.get(), place);
        }
    }
    asm.emit(op::RETURN_A, 0);
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;
    use sticky_ebpf::{Ipv6Prefix, SlotCount};

    use super::super::interpreter::run;
    use super::*;

    fn mapping(slots: u32, bits: u8) -> Mapping {
        Mapping::new(SlotCount::new(slots).unwrap())
            .with_ipv6_prefix(Ipv6Prefix::new(bits).unwrap())
    }

    fn in_order(mapping: &Mapping) -> Vec<Option<SlotId>> {
        mapping.slots().iter().map(Some).collect()
    }

    /// Any address, with the ranges in which an IPv4 address is embedded as likely as all others.
    fn any_ipv6() -> impl Strategy<Value = Ipv6Addr> {
        let embedded = |first: u128| move |v4: u32| Ipv6Addr::from_bits(first | u128::from(v4));
        prop_oneof![
            any::<u128>().prop_map(Ipv6Addr::from_bits),
            any::<u32>().prop_map(embedded(0xffff << 32)),
            any::<u32>().prop_map(embedded(0x0064_ff9b << 96)),
            // Nearly such a range.
            any::<u32>().prop_map(embedded(0xfffe << 32)),
            any::<u32>().prop_map(embedded((0x0064_ff9b << 96) | (1 << 32))),
            any::<u32>().prop_map(embedded((0x0064_ff9b << 96) | (1 << 64))),
        ]
    }

    proptest! {
        #[test]
        fn ipv4_clients_have_the_slot_of_the_mapping(octets: [u8; 4], slots in 1u32..=256) {
            let mapping = mapping(slots, 64);
            let program = assemble(&mapping, &in_order(&mapping)).unwrap();
            let client = IpAddr::from(octets);
            prop_assert_eq!(run(&program, client), mapping.slot_of(client).get());
        }

        #[test]
        fn ipv6_clients_have_the_slot_of_the_mapping(
            client in any_ipv6(), slots in 1u32..=256, bits in 0u8..=128,
        ) {
            let mapping = mapping(slots, bits);
            let program = assemble(&mapping, &in_order(&mapping)).unwrap();
            prop_assert_eq!(run(&program, client.into()), mapping.slot_of(client.into()).get());
        }

        #[test]
        fn moved_buckets_and_places_count(
            octets: [u8; 4],
            moved in prop::collection::vec((0u32..112, 0u32..7), 0..50),
            places in Just(in_order(&mapping(7, 64))).prop_shuffle(),
        ) {
            let mapping = moved.into_iter().fold(mapping(7, 64), |mapping, (bucket, slot)| {
                mapping.with_bucket_at(bucket, SlotId::try_from(slot).unwrap())
            });
            let program = assemble(&mapping, &places).unwrap();
            let client = IpAddr::from(octets);
            let place = run(&program, client) as usize;
            prop_assert_eq!(places[place], Some(mapping.slot_of(client)));
        }
    }

    #[test]
    fn edges() {
        for slots in [1, 2, 3, 4, 5, 7, 8, 10, 16, 64, 100, 255, 256] {
            let mapping = mapping(slots, 64);
            let program = assemble(&mapping, &in_order(&mapping)).unwrap();
            let edges = [0, 1, 9, 10, 11, 99, 100, 101, 199, 200, 254, 255];
            for (a, d) in edges.into_iter().flat_map(|a| edges.map(|d| (a, d))) {
                for client in [Ipv4Addr::new(a, 0, 255, d), Ipv4Addr::new(10, a, d, 1)] {
                    let slot = mapping.slot_of(client.into()).get();
                    assert_eq!(run(&program, client.into()), slot, "{client} of {slots}");
                }
            }
        }
    }

    #[test]
    fn a_table_that_is_too_long_is_an_error() {
        let plain = mapping(256, 64);
        let upside_down = (0..4096).fold(plain.clone(), |mapping, bucket| {
            mapping.with_bucket_at(bucket, SlotId::try_from(255 - bucket % 256).unwrap())
        });
        assert_eq!(assemble(&upside_down, &in_order(&plain)), Err(TooManyInstructions));
    }
}
