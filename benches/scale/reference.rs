//! The programs that sticky's is measured by, as `cargo xtask bench scale` built them.

use std::os::fd::AsFd as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use aya::maps::ReusePortSockArray;
use aya::programs::SkReuseport;
use aya::{Ebpf, EbpfLoader};
use socket2::Socket;

/// Loads one and attaches it to the listeners' group.
pub(crate) fn attach(name: &str, listeners: &[Socket]) -> Result<Ebpf> {
    let object = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../sticky-user/embedded/sticky-ebpf-reference.o");
    let slots = u32::try_from(listeners.len())?;
    let mut object = EbpfLoader::new()
        .btf(None)
        .map_max_entries("LISTENERS", slots)
        .override_global("SLOT_COUNT", &slots, true)
        .load_file(object)
        .context(
            "cannot load a program; `cargo xtask bench scale` builds it, and it takes CAP_BPF",
        )?;
    let map = object.map_mut("LISTENERS").context("the object has no map of listeners")?;
    let mut map = ReusePortSockArray::try_from(map)?;
    for (slot, listener) in (0..).zip(listeners) {
        map.set(slot, listener, 0)?;
    }
    let program = object.program_mut(name).context("the object has no such program")?;
    let program: &mut SkReuseport = program.try_into()?;
    program.load()?;
    program.attach(listeners.first().context("no listener without a slot")?.as_fd())?;
    Ok(object)
}
