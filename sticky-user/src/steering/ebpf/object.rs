//! The kernel program, as `cargo xtask build-ebpf` built it.

use crate::steering::Error;

#[cfg(embedded_ebpf)]
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/sticky-ebpf.o"));

#[cfg(not(embedded_ebpf))]
static OBJECT: &[u8] = &[];

/// The object that was embedded when this binary was built.
pub(super) fn embedded() -> Result<&'static [u8], Error> {
    if OBJECT.is_empty() { Err(Error::NotBuilt) } else { Ok(OBJECT) }
}
