//! Clients' addresses. The whole of 127.0.0.0/8 is local, so each client can have its own.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// The slot that the digit rule names, written as the rule is told: leave out the dots, read the
/// rest as a number, take it modulo the number of workers. On purpose not by sticky's own library.
pub fn digit_slot(client: Ipv4Addr, workers: u32) -> u32 {
    let number: u64 = client.to_string().replace('.', "").parse().expect("digits");
    u32::try_from(number % u64::from(workers)).expect("below the number of workers")
}

/// `count` different addresses, always the same ones: octets of one, two and three digits.
pub fn addresses(count: usize) -> Vec<Ipv4Addr> {
    spread().take(count).collect()
}

/// `count` different addresses that the digit rule brings to `slot`.
pub fn addresses_of_slot(slot: u32, workers: u32, count: usize) -> Vec<Ipv4Addr> {
    spread().filter(|&client| digit_slot(client, workers) == slot).take(count).collect()
}

/// Addresses with the first and the last number of each length in every place: whatever depends on
/// how many digits an octet has goes wrong for one of them.
pub fn edge_addresses() -> Vec<Ipv4Addr> {
    const EDGES: [u8; 6] = [0, 9, 10, 99, 100, 255];
    let octets = EDGES.map(|b| EDGES.map(|c| EDGES.map(|d| Ipv4Addr::new(127, b, c, d.min(254)))));
    let all = octets.as_flattened().as_flattened().iter().copied();
    // The first address of the network, as the last (255 above), is nobody's.
    all.map(|address| if address == NETWORK { Ipv4Addr::LOCALHOST } else { address }).collect()
}

const NETWORK: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 0);

fn spread() -> impl Iterator<Item = Ipv4Addr> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut seen = HashSet::new();
    std::iter::repeat_with(move || {
        // Short octets are rare among all, and they are what the digit rule is about.
        let mut octet = || random.choice([10, 100, 255, 255]).map_or(0, |limit| random.u8(..limit));
        Ipv4Addr::new(127, octet(), octet(), octet().max(1))
    })
    .filter(move |&address| seen.insert(address))
}

/// A port that nobody has, below those that the kernel gives to clients.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Another run of the tests at the same time begins elsewhere.
    let start = u16::try_from(u64::from(std::process::id()) * 7919 % 20_000).expect("below 20000");
    loop {
        let port = 10_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).is_ok() {
            return port;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule() {
        assert_eq!(digit_slot(Ipv4Addr::LOCALHOST, 4), 1);
        assert_eq!(digit_slot(Ipv4Addr::BROADCAST, 256), 215);
    }

    #[test]
    fn addresses_are_many_and_differ() {
        let all = addresses(20_000);
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 20_000);
        for digits in 6..=12 {
            let of_this_length = |ip: &&Ipv4Addr| ip.to_string().replace('.', "").len() == digits;
            assert!(all.iter().filter(of_this_length).count() > 100, "{digits} digits");
        }
    }
}
