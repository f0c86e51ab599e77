//! Why a mode cannot be used.

use super::cbpf::TooManyInstructions;
use crate::listener;
use crate::step::StepError;

/// Why a mode cannot be used, or no longer does its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The object of the kernel program was not there when this binary was built.
    #[error(
        "this binary was built without the kernel program, as `cargo install --git` does; in a clone, \
         run `cargo xtask build-ebpf` and build sticky again, or use another --mode"
    )]
    NotBuilt,
    /// The kernel refused for want of a capability.
    #[error(
        "this process may not load programs into the kernel, which takes CAP_BPF; \
         run it as root, grant it with `setcap cap_bpf+ep` on the binary, or use another --mode"
    )]
    NoCapBpf(#[source] aya::EbpfError),
    /// The object could not be loaded.
    #[error("cannot load the kernel program; `sticky doctor` tells what this kernel lacks")]
    Load(#[source] aya::EbpfError),
    /// The object is not the kernel program that this binary was written for.
    #[error("the embedded kernel program has no {0}; run `cargo xtask build-ebpf` and build again")]
    Missing(&'static str),
    /// The program was refused.
    #[error(transparent)]
    Program(StepError),
    /// The program's log could not be opened.
    #[error("cannot read the log of the kernel program; start without --log-steering")]
    Log(#[source] aya_log::Error),
    /// The table of buckets does not fit a classic BPF program.
    #[error("the mapping does not fit a classic BPF program; use --mode ebpf")]
    TooLarge(#[from] TooManyInstructions),
    /// The port cannot be served.
    #[error(transparent)]
    Listener(#[from] listener::Error),
    /// An earlier supervisor did not leave what is needed to go on.
    #[error(
        "the supervisor that served this port left no {name}, so that this one cannot go on; \
         end the workers that it left, then start again"
    )]
    NotLeft {
        /// The name of a descriptor.
        name: String,
    },
    /// Another step failed.
    #[error(transparent)]
    Step(#[from] StepError),
}
