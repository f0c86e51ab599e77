//! The time from an address to its slot in user space, measured by Criterion.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use sticky_benches::algorithms::{ALGORITHMS, Client};
use sticky_ebpf::{Mapping, SlotCount};

const IPV4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 77);
const IPV6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 3, 4, 5, 6);

fn time(criterion: &mut Criterion) {
    let mapping = Mapping::new(SlotCount::new(4).unwrap_or_default());
    for (family, address) in [("ipv4", IpAddr::V4(IPV4)), ("ipv6", IpAddr::V6(IPV6))] {
        let client = Client::from(address);
        let mut group = criterion.benchmark_group(family);
        group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
        for (name, algorithm) in ALGORITHMS {
            group.bench_function(name, |bencher| {
                bencher.iter(|| algorithm(black_box(&client), &mapping));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, time);
criterion_main!(benches);
