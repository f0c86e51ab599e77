//! `cargo xtask setup`: installs what building and testing need and what is not there.

mod apt;
mod bpf_linker;
mod cache;
mod chromium;
mod client;
pub(crate) mod deny;
mod llvm;
pub(crate) mod musl;
mod nightly;
mod npm;
mod peers;
mod redis;

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;

use apt::Apt;

/// Install what building and testing need
///
/// Needs rustup, a C compiler, Node.js with npm, and for what is missing besides: apt-get, as root
/// or through a sudo that does not ask. Says one line for each thing that it finds or installs;
/// where it cannot install something, it fails and says what to install by hand.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// What to set up; everything when nothing is named
    #[arg(value_enum)]
    what: Vec<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Nightly compiler with rust-src, and a bpf-linker that fits it: for the kernel program
    Ebpf,
    /// The Socket.IO client from npm: for the page of the chat and for the tests
    Client,
    /// redis-server 7 or later: for the tests of the Redis bus
    Redis,
    /// Chromium: for the test in a real browser
    Chromium,
    /// Rust and C for musl instead of glibc: for what `cargo xtask lint` checks
    Musl,
    /// cargo-deny: for what `cargo xtask lint` checks of dependencies
    Deny,
    /// nginx, HAProxy, and packages of npm: for the benches, so not among everything
    Peers,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.what.is_empty() {
        all()?;
        deny::install()?;
        return musl::install(&mut Apt::default());
    }
    let apt = &mut Apt::default();
    for part in Part::value_variants().iter().filter(|part| options.what.contains(part)) {
        match part {
            Part::Ebpf => install_ebpf(apt).map(drop)?,
            Part::Client => client::install()?,
            Part::Redis => redis::install(apt)?,
            Part::Chromium => chromium::install(apt)?,
            Part::Musl => musl::install(apt)?,
            Part::Deny => deny::install()?,
            Part::Peers => {
                peers::proxies(apt);
                peers::javascript();
            }
        }
    }
    Ok(())
}

/// What builds the kernel program.
pub(crate) struct Ebpf {
    /// The nightly toolchain, as rustup names it.
    pub(crate) toolchain: String,
    /// A bpf-linker that understands what this toolchain writes.
    pub(crate) linker: PathBuf,
}

pub(crate) fn all() -> Result<Ebpf> {
    let apt = &mut Apt::default();
    let tools = install_ebpf(apt)?;
    client::install()?;
    redis::install(apt)?;
    chromium::install(apt)?;
    Ok(tools)
}

pub(crate) fn ebpf() -> Result<Ebpf> {
    install_ebpf(&mut Apt::default())
}

pub(crate) fn client() -> Result<()> {
    client::install()
}

pub(crate) fn redis() -> Result<()> {
    redis::install(&mut Apt::default())
}

/// nginx and HAProxy, where they can be had.
pub(crate) fn proxies() {
    peers::proxies(&mut Apt::default());
}

/// farmhash and Socket.IO's server for Node.js, where they can be had.
pub(crate) fn javascript() {
    peers::javascript();
}

fn install_ebpf(apt: &mut Apt) -> Result<Ebpf> {
    let nightly = nightly::install()?;
    let linker = bpf_linker::install(apt, nightly.llvm)?;
    Ok(Ebpf { toolchain: nightly.toolchain, linker })
}
