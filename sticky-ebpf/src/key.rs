//! From an address to the number that is hashed.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::prefix::Ipv6Prefix;

/// What is hashed of a client: all connections with the same key reach the same slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(u64);

/// The first three words of `::ffff:0:0/96`: an IPv4 client as an IPv6 socket shows it
/// ([RFC 4291, 2.5.5.2](https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5.2)).
pub const IPV4_MAPPED: [u32; 3] = [0, 0, 0xffff];

/// The first three words of `64:ff9b::/96`: an IPv4 client behind NAT64
/// ([RFC 6052, 2.1](https://www.rfc-editor.org/rfc/rfc6052#section-2.1)).
pub const NAT64: [u32; 3] = [0x0064_ff9b, 0, 0];

impl Key {
    /// The digit rule: the dotted address without its dots, read as one decimal number.
    ///
    /// It is the rule of the classic Node.js recipe, `Number(ip.replace(/\./g, ''))`. The largest
    /// key is 255255255255, which needs 38 bits.
    ///
    /// ```
    /// # use sticky_ebpf::Key;
    /// assert_eq!(Key::from_ipv4([10, 0, 7, 123]).number(), 1_007_123);
    /// ```
    #[inline(always)]
    pub const fn from_ipv4(octets: [u8; 4]) -> Self {
        let [a, b, c, d] = octets;
        Self(append(append(append(a as u64, b), c), d))
    }

    /// The key of an IPv6 address, given as its four 32-bit words (most significant first).
    ///
    /// IPv4-mapped and NAT64 addresses have the key of the IPv4 address in them. Of every other
    /// address only `prefix` counts: its words are chained through the 32-bit finaliser of
    /// `MurmurHash3` (`h = fmix32(h ^ word)`, from `h = 0`), which 32-bit classic BPF can do too.
    /// The digit rule is not used here: the digits of most IPv6 addresses exceed what a 64-bit
    /// float can hold, and its last digits are then mostly zeros.
    #[inline(always)]
    pub const fn from_ipv6(words: [u32; 4], prefix: Ipv6Prefix) -> Self {
        let [w0, w1, w2, w3] = words;
        if w1 == 0 && (w0 == NAT64[0] && w2 == NAT64[2] || w0 == 0 && w2 == IPV4_MAPPED[2]) {
            return Self::from_ipv4(w3.to_be_bytes());
        }
        let [m0, m1, m2, m3] = prefix.masks();
        let mut hash = fmix32(w0 & m0);
        // A mask of zero leaves its word out, so that a shorter prefix costs fewer rounds.
        if m1 != 0 {
            hash = fmix32(hash ^ (w1 & m1));
        }
        if m2 != 0 {
            hash = fmix32(hash ^ (w2 & m2));
        }
        if m3 != 0 {
            hash = fmix32(hash ^ (w3 & m3));
        }
        Self(hash as u64)
    }

    /// The key of any address.
    pub const fn from_ip(address: IpAddr, prefix: Ipv6Prefix) -> Self {
        match address {
            IpAddr::V4(v4) => Self::from_ipv4(v4.octets()),
            IpAddr::V6(v6) => Self::from_ipv6(words_of(v6), prefix),
        }
    }

    /// The key as a number.
    #[inline(always)]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The bucket that the key falls into: `key mod buckets`. No bucket where `buckets` is 0.
    #[inline(always)]
    pub const fn bucket(self, buckets: u32) -> Option<u32> {
        // `checked_rem` also shows the kernel's verifier that nothing is divided by zero.
        match self.0.checked_rem(buckets as u64) {
            // Smaller than `buckets`, so it fits.
            #[expect(clippy::cast_possible_truncation, reason = "below `buckets`, a u32")]
            Some(bucket) => Some(bucket as u32),
            None => None,
        }
    }
}

/// Writes the digits of `octet` behind those of `number`. Without a branch, which the processor could
/// not foretell.
#[inline(always)]
const fn append(number: u64, octet: u8) -> u64 {
    let octet = octet as u64;
    // Each sum reaches 256 where the octet has that many digits.
    let (two_digits, three_digits) = ((octet + 246) >> 8, (octet + 156) >> 8);
    number * (10 + 90 * two_digits + 900 * three_digits) + octet
}

/// The 32-bit finaliser of `MurmurHash3` (Austin Appleby, public domain): a bijection in which
/// every input bit changes every output bit with a probability close to one half.
#[inline(always)]
pub const fn fmix32(mut hash: u32) -> u32 {
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(FMIX32_FIRST);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(FMIX32_SECOND);
    hash ^ (hash >> 16)
}

/// First multiplier of [`fmix32`].
pub const FMIX32_FIRST: u32 = 0x85eb_ca6b;
/// Second multiplier of [`fmix32`].
pub const FMIX32_SECOND: u32 = 0xc2b2_ae35;

/// The four 32-bit words of an IPv6 address, most significant first.
pub const fn words_of(address: Ipv6Addr) -> [u32; 4] {
    let bits = address.to_bits();
    #[expect(clippy::cast_possible_truncation, reason = "takes the bits apart")]
    [(bits >> 96) as u32, (bits >> 64) as u32, (bits >> 32) as u32, bits as u32]
}

impl From<Ipv4Addr> for Key {
    fn from(address: Ipv4Addr) -> Self {
        Self::from_ipv4(address.octets())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use proptest::prelude::*;
    use std::string::ToString;

    use super::*;

    proptest! {
        #[test]
        fn digits_are_the_address_without_its_dots(octets: [u8; 4]) {
            let text = Ipv4Addr::from(octets).to_string().replace('.', "");
            prop_assert_eq!(Key::from_ipv4(octets).number(), text.parse::<u64>().unwrap());
        }

        #[test]
        fn an_ipv4_client_has_one_key_however_it_comes(octets: [u8; 4], bits in 0u8..=128) {
            let prefix = Ipv6Prefix::new(bits).unwrap();
            let v4 = Ipv4Addr::from(octets);
            let nat64 = Ipv6Addr::from_bits((0x0064_ff9b << 96) | u128::from(v4.to_bits()));
            let key = Key::from(v4);
            prop_assert_eq!(Key::from_ip(v4.to_ipv6_mapped().into(), prefix), key);
            prop_assert_eq!(Key::from_ip(nat64.into(), prefix), key);
        }

        #[test]
        fn only_the_prefix_counts(bits: u128, other: u128, length in 0u8..=128) {
            let prefix = Ipv6Prefix::new(length).unwrap();
            let host = u128::MAX.checked_shr(u32::from(length)).unwrap_or(0);
            // 2000::/3 keeps away from the IPv4 ranges.
            let global = |bits: u128| (bits >> 3) | (1 << 125);
            let (first, second) = (global(bits), global(other));
            let same_prefix = Ipv6Addr::from_bits((first & !host) | (second & host));
            prop_assume!(length >= 3);
            prop_assert_eq!(
                Key::from_ip(Ipv6Addr::from_bits(first).into(), prefix),
                Key::from_ip(same_prefix.into(), prefix)
            );
        }
    }

    /// Published vectors: another implementation can hold itself to them.
    #[test]
    fn vectors() {
        let key = |text: &str| Key::from_ip(text.parse().unwrap(), Ipv6Prefix::default()).number();
        assert_eq!(key("0.0.0.0"), 0);
        assert_eq!(key("1.2.3.4"), 1234);
        assert_eq!(key("10.0.0.10"), 100_010);
        assert_eq!(key("255.255.255.255"), 255_255_255_255);
        assert_eq!(key("::ffff:1.2.3.4"), 1234);
        assert_eq!(key("64:ff9b::1.2.3.4"), 1234);
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
    }

    /// `fmix32` agrees with the reference values of `MurmurHash3`.
    #[test]
    fn fmix32_is_murmur3s() {
        // MurmurHash3_x86_32 of an empty input is `fmix32(seed)`; the value for seed 1 is published.
        assert_eq!(fmix32(1), 0x514e_28b7);
        assert_eq!(fmix32(0), 0);
        assert_eq!(fmix32(u32::MAX), 0x81f1_6f39);
    }

    #[test]
    fn no_bucket_of_none() {
        assert_eq!(Key::from_ipv4([1, 2, 3, 4]).bucket(0), None);
        assert_eq!(Key::from_ipv4([1, 2, 3, 4]).bucket(10), Some(4));
    }
}
