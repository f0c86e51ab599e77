//! What the programs read of a packet.

use core::mem::MaybeUninit;

use aya_ebpf::{
    bindings::bpf_hdr_start_off::BPF_HDR_START_NET,
    helpers::generated::bpf_skb_load_bytes_relative, programs::SkReuseportContext,
};

/// Where the source address is in an IPv4 header.
pub(crate) const IPV4_SOURCE: u32 = 12;

/// Reads a `T` from the packet, `offset` bytes behind the start of its IP header.
#[inline(always)]
pub(crate) fn load<T: Bytes>(ctx: &SkReuseportContext, offset: u32) -> Option<T> {
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
///
/// # Safety
///
/// They are, and none of the type's bytes is padding.
pub(crate) unsafe trait Bytes {}
// SAFETY: an array of integers.
unsafe impl Bytes for [u8; 4] {}
// SAFETY: an array of integers.
unsafe impl Bytes for [u32; 4] {}
