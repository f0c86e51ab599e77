//! The program that does nothing, as `cargo xtask bench scale` built it.

use std::os::fd::BorrowedFd;
use std::path::Path;

use anyhow::{Context as _, Result};
use aya::programs::SkReuseport;
use aya::{Ebpf, EbpfLoader};

/// Loads it and attaches it to the group of a listener.
pub(crate) fn attach(listener: BorrowedFd<'_>) -> Result<Ebpf> {
    let object = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/sticky/sticky-ebpf-empty.o");
    let mut object = EbpfLoader::new().btf(None).load_file(object).context(
        "cannot load the empty program; `cargo xtask bench scale` builds it, and it takes CAP_BPF",
    )?;
    let program = object.program_mut("empty").context("the object has no program `empty`")?;
    let program: &mut SkReuseport = program.try_into()?;
    program.load()?;
    program.attach(listener)?;
    Ok(object)
}
