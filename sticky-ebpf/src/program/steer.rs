//! The `sk_reuseport` program: at a client's SYN it picks the listener of the client's slot.
//!
//! It never returns `SK_PASS` without a listener, since the kernel would then choose by a hash of
//! its own: where it cannot select, it drops, and counts why.

#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "helpers, maps and link sections of the kernel's")]

mod object;
mod packet;

use core::mem::offset_of;

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
            dropped(offset_of!(Counters, other_protocol))
        }
    }
}

#[inline(always)]
fn steer(ctx: &SkReuseportContext, key: Option<Key>) -> u32 {
    let Some(key) = key else {
        info!(ctx, "dropped: source address not readable");
        return dropped(offset_of!(Counters, unreadable));
    };
    let Some(slot) = key.bucket(BUCKET_COUNT.load()).and_then(slot_of) else {
        info!(ctx, "dropped: key {} has no bucket", key.number());
        return dropped(offset_of!(Counters, no_bucket));
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
            count(of_slot(offset_of!(Counters, selected), slot));
            info!(ctx, "key {} -> slot {}", key.number(), slot);
            SK_PASS
        }
        Err(error) if i64::from(error) == -ENOENT => {
            info!(ctx, "dropped: key {} -> slot {}, which is empty", key.number(), slot);
            dropped(of_slot(offset_of!(Counters, empty), slot))
        }
        Err(error) => {
            info!(ctx, "dropped: key {} -> slot {}, error {}", key.number(), slot, error);
            dropped(of_slot(offset_of!(Counters, refused), slot))
        }
    }
}

#[inline(always)]
fn dropped(counter: usize) -> u32 {
    count(counter);
    SK_DROP
}

/// The counter of one slot among those of a kind, which begin there.
#[inline(always)]
fn of_slot(kind: usize, slot: u8) -> usize {
    kind + usize::from(slot) * size_of::<u64>()
}

/// Adds one to the counter that is so far into [`Counters`].
///
/// Each CPU has its own, and as a rule nothing else runs there until the program returns. On a
/// kernel with PREEMPT_RT something may: two that count the same in the same moment may then count once.
/// An atomic addition would cost each run several nanoseconds for that.
#[inline(always)]
fn count(counter: usize) {
    if let Some(counters) = COUNTERS.get_ptr_mut(0) {
        // SAFETY: `counter` is the offset of a field or of an element of one, so what is there is in
        // the entry and aligned. No reference to it is made, and it is read and written in one piece
        // (as by the kernel's READ_ONCE and WRITE_ONCE): whatever comes between finds a number.
        unsafe {
            let counter: *mut u64 = counters.byte_add(counter).cast();
            counter.write_volatile(counter.read_volatile().wrapping_add(1));
        }
    }
}

#[inline(always)]
fn ipv6_key(network_order: [u32; 4]) -> Key {
    let [a, b, c, d] = network_order;
    let words = [u32::from_be(a), u32::from_be(b), u32::from_be(c), u32::from_be(d)];
    Key::from_ipv6(words, Ipv6Prefix::new(IPV6_PREFIX.load()).unwrap_or_default())
}
