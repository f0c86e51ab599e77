//! How much of an IPv6 address tells one client from another.

use core::fmt;
use core::str::FromStr;

/// The number of leading bits of an IPv6 address that make up the key, 0 to 128.
///
/// The default is 64: hosts change the lower half of their address at will (privacy extensions,
/// RFC 8981), while the upper half stays with the network that they are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Prefix(u8);

impl Ipv6Prefix {
    /// A prefix of `bits` bits; `None` above 128.
    pub const fn new(bits: u8) -> Option<Self> {
        if bits <= 128 { Some(Self(bits)) } else { None }
    }

    /// Its length in bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The mask of each of the four 32-bit words, most significant first.
    #[inline(always)]
    pub const fn masks(self) -> [u32; 4] {
        [mask(self.0, 0), mask(self.0, 32), mask(self.0, 64), mask(self.0, 96)]
    }
}

#[inline(always)]
const fn mask(bits: u8, start: u8) -> u32 {
    match bits.saturating_sub(start) {
        0 => 0,
        taken @ 1..=31 => u32::MAX << (32 - taken),
        _ => u32::MAX,
    }
}

impl Default for Ipv6Prefix {
    fn default() -> Self {
        Self(64)
    }
}

/// The text is not a number from 0 to 128.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6PrefixError;

impl fmt::Display for Ipv6PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the length of an IPv6 prefix is a number from 0 to 128")
    }
}

impl core::error::Error for Ipv6PrefixError {}

impl FromStr for Ipv6Prefix {
    type Err = Ipv6PrefixError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().ok().and_then(Self::new).ok_or(Ipv6PrefixError)
    }
}

impl fmt::Display for Ipv6Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_cut_at_the_prefix() {
        let masks = |bits| Ipv6Prefix::new(bits).unwrap().masks();
        assert_eq!(masks(0), [0, 0, 0, 0]);
        assert_eq!(masks(56), [u32::MAX, 0xffff_ff00, 0, 0]);
        assert_eq!(masks(64), [u32::MAX, u32::MAX, 0, 0]);
        assert_eq!(masks(65), [u32::MAX, u32::MAX, 0x8000_0000, 0]);
        assert_eq!(masks(128), [u32::MAX; 4]);
        assert_eq!(Ipv6Prefix::new(129), None);
    }

    #[test]
    fn text() {
        assert_eq!("48".parse(), Ok(Ipv6Prefix(48)));
        for wrong in ["129", "-1", "", "sixty", "256"] {
            assert_eq!(wrong.parse::<Ipv6Prefix>(), Err(Ipv6PrefixError));
        }
    }
}
