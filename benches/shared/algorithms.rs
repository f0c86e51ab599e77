//! The ways from a client's address to a number that Node.js recipes use, and this project's own.
//!
//! The recipes get the address as text, since that is what Node.js gives them. They compute with
//! JavaScript's numbers, so here it is 64-bit floats and wrapping 32-bit integers as well.

use std::net::IpAddr;

use sticky_ebpf::Mapping;

/// The seed of int31, which the original draws anew at each start.
pub const INT31_SEED: i64 = 123_456_789;

/// What an algorithm gets of a client.
#[derive(Clone, Debug)]
pub struct Client {
    /// As the kernel has it.
    pub address: IpAddr,
    /// As Node.js has it.
    pub text: String,
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        Self { address, text: address.to_string() }
    }
}

/// One way to choose a slot; `None` where JavaScript gives `NaN`, which is no slot.
pub type Algorithm = fn(&Client, &Mapping) -> Option<u32>;

/// All of them, with their names.
pub const ALGORITHMS: [(&str, Algorithm); 6] = [
    ("int31", |client, mapping| Some(slot(f64::from(int31(&client.text)), mapping))),
    ("numeric_real", |client, mapping| Some(slot(numeric_real(&client.text)?, mapping))),
    ("simple_regex", |client, mapping| Some(slot(simple_regex(&client.text)?, mapping))),
    ("simple_loop", |client, mapping| Some(slot(simple_loop(&client.text), mapping))),
    ("farmhash", |client, mapping| {
        Some(slot(f64::from(farmhash::fingerprint32(client.text.as_bytes())), mapping))
    }),
    ("sticky", |client, mapping| Some(mapping.slot_of(client.address).get())),
];

/// The remainder of a number that is not negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the remainder is below the number of slots"
)]
fn slot(number: f64, mapping: &Mapping) -> u32 {
    (number % f64::from(mapping.slots().get())) as u32
}

/// Bob Jenkins's one-at-a-time hash over the parts between dots, kept within 31 bits by remainders
/// that may be negative, as sticky-session has it. Of a part counts the number that it begins with.
fn int31(text: &str) -> u32 {
    const LIMIT: i64 = 1 << 31;
    let mixed = text.split('.').map(leading_number).fold(INT31_SEED, |hash, part| {
        // Not a number: it stays so until the first bitwise operator, which takes it for 0.
        let Some(part) = part else { return 0 };
        let hash = (hash + part) % LIMIT;
        let hash = (hash + i64::from(int32(hash) << 10)) % LIMIT;
        i64::from(int32(hash) ^ (int32(hash) >> 6))
    });
    let hash = (mixed + i64::from(int32(mixed) << 3)) % LIMIT;
    let hash = int32(hash) ^ (int32(hash) >> 11);
    let hash = (i64::from(hash) + i64::from(hash << 15)) % LIMIT;
    int32(hash).cast_unsigned()
}

/// As `parseInt(text, 10)`.
fn leading_number(text: &str) -> Option<i64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// The lower 32 bits, as JavaScript's bitwise operators take them.
#[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
fn int32(number: i64) -> i32 {
    number as i32
}

/// The address as the number that it is; not a number for IPv6, whose text has no dots.
fn numeric_real(text: &str) -> Option<f64> {
    let mut parts = text.split('.');
    let mut number = 0.0;
    for _ in 0..4 {
        number = number * 256.0 + parts.next()?.parse::<f64>().ok()?;
    }
    Some(number)
}

/// The text without its dots, read as a number; not a number for IPv6, whose text has colons.
fn simple_regex(text: &str) -> Option<f64> {
    text.replace('.', "").parse().ok()
}

/// The digits of the text, read as a number. For IPv6 they are up to 32, more than a 64-bit float
/// holds: the number is rounded.
fn simple_loop(text: &str) -> f64 {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0.0)
}

/// What `simple_loop` would be without rounding.
pub fn digits_exactly(text: &str) -> u128 {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use sticky_ebpf::SlotCount;

    use super::*;

    fn slots(address: &str) -> [Option<u32>; 6] {
        let client = Client::from(address.parse::<IpAddr>().unwrap());
        let mapping = Mapping::new(SlotCount::new(7).unwrap());
        ALGORITHMS.map(|(_, algorithm)| algorithm(&client, &mapping))
    }

    #[test]
    fn digit_rules_agree_on_ipv4() {
        let [_, real, regex, digits, _, own] = slots("10.20.30.123");
        assert_eq!([regex, digits, own], [Some(102_030_123 % 7); 3]);
        assert_eq!(real, Some(0x0a14_1e7b % 7));
    }

    #[test]
    fn ipv6_is_not_a_number_to_those_that_want_dots() {
        let [int31, real, regex, digits, farmhash, own] = slots("2001:db8::a1");
        assert_eq!([real, regex], [None; 2]);
        assert_eq!(digits, Some(200_181 % 7));
        assert!([int31, farmhash, own].iter().all(Option::is_some));
    }

    #[test]
    fn numbers_at_the_beginning() {
        assert_eq!(leading_number("2001:db8::"), Some(2001));
        assert_eq!(leading_number("fe80::"), None);
    }
}
