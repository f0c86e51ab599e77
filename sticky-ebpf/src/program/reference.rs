//! Programs to measure that of `steer.rs` by: `cargo xtask bench scale`.

#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "helpers, maps and link sections of the kernel's")]

mod object;
mod packet;

use aya_ebpf::{
    Global,
    bindings::sk_action::{SK_DROP, SK_PASS},
    macros::{map, sk_reuseport},
    maps::ReusePortSockArray,
    programs::SkReuseportContext,
};
use sticky_ebpf::MAX_SLOTS;

use crate::packet::{IPV4_SOURCE, load};

#[map]
static LISTENERS: ReusePortSockArray = ReusePortSockArray::with_max_entries(MAX_SLOTS, 0);

#[unsafe(no_mangle)]
static SLOT_COUNT: Global<u32> = Global::new(0);

/// The least that a program can be: it leaves the choice to the kernel's own hash.
#[sk_reuseport]
pub(crate) fn empty(_: SkReuseportContext) -> u32 {
    SK_PASS
}

/// The least that a program can do to choose by address: reads it and selects a listener by its last
/// byte. All the time of it besides a division goes into the kernel's two helpers.
#[sk_reuseport]
pub(crate) fn least(ctx: SkReuseportContext) -> u32 {
    let Some([.., last]) = load::<[u8; 4]>(&ctx, IPV4_SOURCE) else { return SK_DROP };
    let Some(slot) = u32::from(last).checked_rem(SLOT_COUNT.load()) else { return SK_DROP };
    LISTENERS.select_reuseport(&ctx, slot).map_or(SK_DROP, |()| SK_PASS)
}
