//! The `sk_reuseport` program: at a client's SYN it picks the listener of the client's slot.
//!
//! It never returns `SK_PASS` without a listener, since the kernel would then choose by a hash of
//! its own: where it cannot select, it drops, and counts why.

#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "helpers, maps and link sections of the kernel's")]

mod object;
mod packet;

use aya_ebpf::{
    Global,
    bindings::sk_action::{SK_DROP, SK_PASS},
    macros::{map, sk_reuseport},
    maps::{Array, PerCpuArray, ReusePortSockArray},
    programs::SkReuseportContext,
};
use aya_log_ebpf::info;
use sticky_ebpf::{Ipv6Prefix, Key, MAX_BUCKETS, MAX_SLOTS, counters::Counters};

use crate::packet::{IPV4_SOURCE, load};

// The sizes are upper bounds: the supervisor makes the maps as large as the server needs.
#[map]
static BUCKETS: Array<[u8; MAX_BUCKETS]> = Array::with_max_entries(1, 0);
#[map]
static LISTENERS: ReusePortSockArray = ReusePortSockArray::with_max_entries(MAX_SLOTS, 0);
#[map]
static COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(1, 0);

#[unsafe(no_mangle)]
static BUCKET_COUNT: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static IPV6_PREFIX: Global<u8> = Global::new(64);

const ETH_P_IP: u32 = 0x0800_u16.to_be() as u32;
const ETH_P_IPV6: u32 = 0x86dd_u16.to_be() as u32;
const IPV6_SOURCE: u32 = 8;
const ENOENT: i64 = 2;

/// Picks the listener for the packet that the kernel is looking a socket up for.
#[sk_reuseport]
pub(crate) fn sticky_steer(ctx: SkReuseportContext) -> u32 {
    if ctx.eth_protocol() == ETH_P_IP {
        steer(&ctx, load(&ctx, IPV4_SOURCE).map(Key::from_ipv4))
    } else {
        steer_other(&ctx)
    }
}

/// A function of its own, so that what runs for IPv4 lies close together.
#[inline(never)]
fn steer_other(ctx: &SkReuseportContext) -> u32 {
    match ctx.eth_protocol() {
        ETH_P_IPV6 => steer(ctx, load(ctx, IPV6_SOURCE).map(ipv6_key)),
        protocol => {
            info!(ctx, "dropped: protocol {:x}", protocol);
            dropped(|counters| &mut counters.other_protocol)
        }
    }
}

#[inline(always)]
fn steer(ctx: &SkReuseportContext, key: Option<Key>) -> u32 {
    let Some(key) = key else {
        info!(ctx, "dropped: source address not readable");
        return dropped(|counters| &mut counters.unreadable);
    };
    let Some(slot) = key.bucket(BUCKET_COUNT.load()).and_then(slot_of) else {
        info!(ctx, "dropped: key {} has no bucket", key.number());
        return dropped(|counters| &mut counters.no_bucket);
    };
    select(ctx, key, slot)
}

#[inline(always)]
fn slot_of(bucket: u32) -> Option<u8> {
    let table = BUCKETS.get(0)?;
    // The verifier sees this bound, and the compiler that it makes another one needless.
    table.get(bucket as usize & (MAX_BUCKETS - 1)).copied()
}

#[inline(always)]
fn select(ctx: &SkReuseportContext, key: Key, slot: u8) -> u32 {
    match LISTENERS.select_reuseport(ctx, slot.into()) {
        Ok(()) => {
            count(|counters| &mut counters.selected[usize::from(slot)]);
            info!(ctx, "key {} -> slot {}", key.number(), slot);
            SK_PASS
        }
        Err(error) if i64::from(error) == -ENOENT => {
            info!(ctx, "dropped: key {} -> slot {}, which is empty", key.number(), slot);
            dropped(|counters| &mut counters.empty[usize::from(slot)])
        }
        Err(error) => {
            info!(ctx, "dropped: key {} -> slot {}, error {}", key.number(), slot, error);
            dropped(|counters| &mut counters.refused[usize::from(slot)])
        }
    }
}

#[inline(always)]
fn dropped(which: impl FnOnce(&mut Counters) -> &mut u64) -> u32 {
    count(which);
    SK_DROP
}

#[inline(always)]
fn count(which: impl FnOnce(&mut Counters) -> &mut u64) {
    if let Some(counters) = COUNTERS.get_ptr_mut(0) {
        // SAFETY: a per-CPU entry, and nothing else runs on this CPU until the program returns.
        *which(unsafe { &mut *counters }) += 1;
    }
}

#[inline(always)]
fn ipv6_key(network_order: [u32; 4]) -> Key {
    let [a, b, c, d] = network_order;
    let words = [u32::from_be(a), u32::from_be(b), u32::from_be(c), u32::from_be(d)];
    Key::from_ipv6(words, Ipv6Prefix::new(IPV6_PREFIX.load()).unwrap_or_default())
}
