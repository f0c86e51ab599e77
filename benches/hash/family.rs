//! Random addresses, always the same ones.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fastrand::Rng;
use serde::Serialize;
use sticky_benches::algorithms::Client;

const SEED: u64 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Family {
    Ipv4,
    Ipv6,
}

impl Family {
    pub(crate) fn clients(self, count: usize) -> Vec<Client> {
        let mut random = Rng::with_seed(SEED);
        let mut address = || match self {
            Self::Ipv4 => IpAddr::V4(Ipv4Addr::from_bits(random.u32(..))),
            Self::Ipv6 => IpAddr::V6(Ipv6Addr::from_bits(random.u128(..))),
        };
        (0..count).map(|_| address().into()).collect()
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}
