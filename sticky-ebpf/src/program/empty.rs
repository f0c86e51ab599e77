//! The least that a `sk_reuseport` program can be: it lets the kernel choose. `cargo xtask bench scale`
//! measures the program of `main.rs` beside it.

#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "link sections of the kernel's")]

use aya_ebpf::{bindings::sk_action::SK_PASS, macros::sk_reuseport, programs::SkReuseportContext};

/// Chooses nothing.
#[sk_reuseport]
pub(crate) fn empty(_: SkReuseportContext) -> u32 {
    SK_PASS
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
