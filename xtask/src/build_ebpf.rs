//! `cargo xtask build-ebpf`: the kernel program, from source to the object that `sticky` embeds.

use std::{env::consts::ARCH, path::PathBuf};

use anyhow::{Context as _, Result};

use crate::{
    cargo,
    exec::{self, say},
    setup::{self, Ebpf},
    workspace,
};

const PACKAGE: &str = "sticky-ebpf";
/// What `cargo xtask bench scale` compares with.
const REFERENCE: &str = "sticky-ebpf-reference";

/// Build the kernel program into sticky-user/embedded/sticky-ebpf.o
///
/// Installs what is missing for it first, as `cargo xtask setup ebpf` does. The build of
/// sticky-user embeds the object when it is there. An object that did not change is not written
/// again, so nothing else is rebuilt for it.
#[derive(clap::Args)]
pub(crate) struct Options {}

pub(crate) fn run(_: &Options) -> Result<()> {
    build(&setup::ebpf()?).map(drop)
}

/// Builds and gives the place of the object.
pub(crate) fn build(tools: &Ebpf) -> Result<PathBuf> {
    build_binary(tools, PACKAGE)
}

/// The programs that the bench compares with.
pub(crate) fn build_reference(tools: &Ebpf) -> Result<PathBuf> {
    build_binary(tools, REFERENCE)
}

fn build_binary(tools: &Ebpf, name: &str) -> Result<PathBuf> {
    let built = compile(tools, name)?;
    let object = workspace::products().join(format!("{name}.o"));
    let changed = workspace::copy_if_changed(&built, &object)?;
    let state = if changed { "written to" } else { "unchanged in" };
    say(name, format!("{state} {}", object.display()));
    Ok(object)
}

fn compile(tools: &Ebpf, name: &str) -> Result<PathBuf> {
    // A program runs on the machine that loads it: same byte order.
    let target =
        if cfg!(target_endian = "big") { "bpfeb-unknown-none" } else { "bpfel-unknown-none" };
    let target_dir = workspace::root().join("target/ebpf");
    // aya-ebpf asks whose registers it may read. Without debug information there are no types for the
    // kernel (BTF) either; sk_reuseport needs none, and the object is a twentieth of the size.
    let flags = format!("--cfg=bpf_target_arch=\"{ARCH}\" -Cdebuginfo=0");
    let setting = format!("CARGO_TARGET_{}", target.to_uppercase().replace('-', "_"));

    let mut cargo = cargo::of_toolchain(&tools.toolchain);
    cargo
        .args(["build", "--quiet", "--release", "-Zbuild-std=core", "--target", target])
        .args(["--package", PACKAGE, "--bin", name, "--features", "program"])
        .arg("--target-dir")
        .arg(&target_dir)
        .env(format!("{setting}_RUSTFLAGS"), flags)
        .env(format!("{setting}_LINKER"), &tools.linker);
    exec::run(&mut cargo).context("the kernel program could not be built")?;
    Ok(target_dir.join(target).join("release").join(name))
}
