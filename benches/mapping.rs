//! The time from an address to its slot, in user space.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use criterion::{Criterion, criterion_group, criterion_main};
use sticky_ebpf::{Mapping, SlotCount};

fn mapping(criterion: &mut Criterion) {
    let mapping = Mapping::new(SlotCount::new(4).unwrap_or_default());
    let mut group = criterion.benchmark_group("slot_of");
    for (name, client) in [
        ("ipv4", IpAddr::V4(Ipv4Addr::new(203, 0, 113, 77))),
        ("ipv6", IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 3, 4, 5, 6))),
        ("mapped", IpAddr::V6(Ipv4Addr::new(203, 0, 113, 77).to_ipv6_mapped())),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| mapping.slot_of(black_box(client)));
        });
    }
    group.finish();
}

criterion_group!(benches, mapping);
criterion_main!(benches);
