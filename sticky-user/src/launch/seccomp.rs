//! Keeps a worker from steering.
//!
//! Whoever holds a listener of the group may attach and detach the group's program, whatever its
//! user. The worker holds one, so these options are closed to it, and to all that it starts.

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

/// `SO_DETACH_REUSEPORT_BPF`, which the libc crate does not name.
const SO_DETACH_REUSEPORT_BPF: libc::c_int = 68;

const CLOSED: [libc::c_int; 3] =
    [libc::SO_ATTACH_REUSEPORT_CBPF, libc::SO_ATTACH_REUSEPORT_EBPF, SO_DETACH_REUSEPORT_BPF];

/// Makes the kernel answer EPERM to what would change the steering. It cannot be undone.
pub(super) fn protect_the_port() -> io::Result<()> {
    let program = filter().map_err(io::Error::other)?;
    apply_filter(&program).map_err(io::Error::other)
}

fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let rules = BTreeMap::from([
        (libc::SYS_setsockopt, CLOSED.map(option).into_iter().collect::<Result<_, _>>()?),
        // Its requests are not seen by a filter, and set options as well. No rule: always.
        (libc::SYS_io_uring_setup, Vec::new()),
    ]);
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, ARCH.try_into()?)?.try_into()
}

/// `setsockopt(_, SOL_SOCKET, option, ...)`.
fn option(option: libc::c_int) -> Result<SeccompRule, seccompiler::BackendError> {
    let is = |argument, value: libc::c_int| {
        let value = u64::from(value.cast_unsigned());
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
    };
    SeccompRule::new(vec![is(1, libc::SOL_SOCKET)?, is(2, option)?])
}
