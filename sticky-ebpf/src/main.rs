//! The `sk_reuseport` program: at a client's SYN it picks the listener of the client's slot.
//!
//! It never returns `SK_PASS` without a listener, since the kernel would then choose by a hash of
//! its own: where it cannot select, it drops, and counts why.

#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "helpers, maps and link sections of the kernel's")]

use core::mem::MaybeUninit;

use aya_ebpf::{
    Global,
    bindings::{
        bpf_hdr_start_off::BPF_HDR_START_NET,
        sk_action::{SK_DROP, SK_PASS},
    },
    helpers::generated::bpf_skb_load_bytes_relative,
    macros::{map, sk_reuseport},
    maps::{Array, PerCpuArray, ReusePortSockArray},
    programs::SkReuseportContext,
};
use aya_log_ebpf::info;
use sticky_ebpf::{
    Ipv6Prefix, Key, MAX_BUCKETS, MAX_SLOTS,
    counters::{DropCounters, SlotCounters},
};

// The sizes are upper bounds: the supervisor makes the maps as large as the server needs.
#[map]
static BUCKETS: Array<[u8; MAX_BUCKETS]> = Array::with_max_entries(1, 0);
#[map]
static LISTENERS: ReusePortSockArray = ReusePortSockArray::with_max_entries(MAX_SLOTS, 0);
#[map]
static DROPS: PerCpuArray<DropCounters> = PerCpuArray::with_max_entries(1, 0);
#[map]
static SLOTS: PerCpuArray<SlotCounters> = PerCpuArray::with_max_entries(MAX_SLOTS, 0);

#[unsafe(no_mangle)]
static BUCKET_COUNT: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static IPV6_PREFIX: Global<u8> = Global::new(64);

const ETH_P_IP: u32 = 0x0800_u16.to_be() as u32;
const ETH_P_IPV6: u32 = 0x86dd_u16.to_be() as u32;
const IPV4_SOURCE: u32 = 12;
const IPV6_SOURCE: u32 = 8;
const ENOENT: i64 = 2;

/// Picks the listener for the packet that the kernel is looking a socket up for.
#[sk_reuseport]
pub(crate) fn sticky_steer(ctx: SkReuseportContext) -> u32 {
    let key = match ctx.eth_protocol() {
        ETH_P_IP => load(&ctx, IPV4_SOURCE).map(Key::from_ipv4),
        ETH_P_IPV6 => load(&ctx, IPV6_SOURCE).map(ipv6_key),
        protocol => {
            info!(&ctx, "dropped: protocol {:x}", protocol);
            return dropped(|counters| counters.other_protocol += 1);
        }
    };
    let Some(key) = key else {
        info!(&ctx, "dropped: source address not readable");
        return dropped(|counters| counters.unreadable += 1);
    };
    let Some(slot) = key.bucket(BUCKET_COUNT.load()).and_then(slot_of) else {
        info!(&ctx, "dropped: key {} has no bucket", key.number());
        return dropped(|counters| counters.no_bucket += 1);
    };
    select(&ctx, key, slot)
}

#[inline(always)]
fn slot_of(bucket: u32) -> Option<u32> {
    let table = BUCKETS.get(0)?;
    // The verifier sees this bound, and the compiler that it makes another one needless.
    table.get(bucket as usize & (MAX_BUCKETS - 1)).map(|&slot| u32::from(slot))
}

#[inline(always)]
fn dropped(count: impl FnOnce(&mut DropCounters)) -> u32 {
    if let Some(counters) = DROPS.get_ptr_mut(0) {
        // SAFETY: a per-CPU entry, and nothing else runs on this CPU until the program returns.
        count(unsafe { &mut *counters });
    }
    SK_DROP
}

#[inline(always)]
fn select(ctx: &SkReuseportContext, key: Key, slot: u32) -> u32 {
    let Some(counters) = SLOTS.get_ptr_mut(slot) else {
        // The table names a slot that the server does not have.
        return dropped(|counters| counters.no_bucket += 1);
    };
    // SAFETY: as for `DROPS`.
    let counters = unsafe { &mut *counters };
    match LISTENERS.select_reuseport(ctx, slot) {
        Ok(()) => {
            counters.selected += 1;
            info!(ctx, "key {} -> slot {}", key.number(), slot);
            SK_PASS
        }
        Err(error) if i64::from(error) == -ENOENT => {
            counters.empty += 1;
            info!(ctx, "dropped: key {} -> slot {}, which is empty", key.number(), slot);
            SK_DROP
        }
        Err(error) => {
            counters.refused += 1;
            info!(ctx, "dropped: key {} -> slot {}, error {}", key.number(), slot, error);
            SK_DROP
        }
    }
}

/// Reads a `T` from the packet, `offset` bytes behind the start of its IP header.
#[inline(always)]
fn load<T: Bytes>(ctx: &SkReuseportContext, offset: u32) -> Option<T> {
    // Not zeroed first: that would be a loop over the stack, which the verifier refuses to those
    // who have CAP_BPF alone.
    let mut bytes = MaybeUninit::<T>::uninit();
    // SAFETY: the helper writes the whole of `bytes`, or returns an error; any bytes are a `T`.
    unsafe {
        let length = size_of::<T>() as u32;
        let to = bytes.as_mut_ptr().cast();
        let from = ctx.md.cast();
        let result = bpf_skb_load_bytes_relative(from, offset, to, length, BPF_HDR_START_NET);
        (result == 0).then(|| bytes.assume_init())
    }
}

/// Types for which any bytes are a value.
trait Bytes {}
impl Bytes for [u8; 4] {}
impl Bytes for [u32; 4] {}

#[inline(always)]
fn ipv6_key(network_order: [u32; 4]) -> Key {
    let [a, b, c, d] = network_order;
    let words = [u32::from_be(a), u32::from_be(b), u32::from_be(c), u32::from_be(d)];
    Key::from_ipv6(words, Ipv6Prefix::new(IPV6_PREFIX.load()).unwrap_or_default())
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The kernel asks for a GPL-compatible licence before it lends its helpers.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
