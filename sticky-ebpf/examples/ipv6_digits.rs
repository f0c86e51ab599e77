//! What the digit rule does to IPv6: how a million random addresses spread over four slots, by the
//! digits as a 64-bit float (as JavaScript has them) and by this library's mapping.

use std::net::Ipv6Addr;

use sticky_ebpf::{Mapping, SlotCount};

const ADDRESSES: u32 = 1_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mapping = Mapping::new(SlotCount::new(4)?);
    let (mut by_digits, mut by_prefix) = ([0_u32; 4], [0_u32; 4]);
    let mut random = 1_u64;
    for _ in 0..ADDRESSES {
        let high = u128::from(splitmix64(&mut random));
        let address = Ipv6Addr::from_bits(high << 64 | u128::from(splitmix64(&mut random)));
        let text = address.to_string();
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        // A float's remainder is exact: only the number itself was rounded.
        let remainder = digits.parse::<f64>()? % 4.0;
        for (slot, count) in (0_u8..).zip(&mut by_digits) {
            *count += u32::from((remainder - f64::from(slot)).abs() < 0.5);
        }
        by_prefix[mapping.slot_of(address.into()).index()] += 1;
    }
    println!("slot  by digits  by prefix");
    for (slot, (digits, prefix)) in by_digits.iter().zip(by_prefix).enumerate() {
        println!("{slot:>4}  {:>8.1}%  {:>8.1}%", percent(*digits), percent(prefix));
    }
    Ok(())
}

fn percent(count: u32) -> f64 {
    100.0 * f64::from(count) / f64::from(ADDRESSES)
}

/// Steele, Lea and Flood's generator: the same addresses in every run.
fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
