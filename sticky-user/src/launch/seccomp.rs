//! Keeps a worker from what its successor or other slots would notice of its socket.
//!
//! A worker holds the slot's own socket, and what it sets there stays. What a supervisor could not undo,
//! or not in time, is closed to the worker and to all that it starts: also on its other sockets, since a
//! filter sees the number of a descriptor and not what it is. So nothing is on the list that ordinary
//! programs cannot do without.

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

/// Options with their levels, by the numbers of Linux's `asm-generic/socket.h`, `linux/tcp.h`,
/// `linux/in.h` and `linux/in6.h`: the libc crate does not name all of them.
const CLOSED: [(libc::c_int, libc::c_int, &str); 23] = [
    // One listener without it takes the clients of all slots: the kernel no longer asks the program.
    (libc::SOL_SOCKET, 15, "SO_REUSEPORT"),
    (libc::SOL_SOCKET, 51, "SO_ATTACH_REUSEPORT_CBPF"),
    (libc::SOL_SOCKET, 52, "SO_ATTACH_REUSEPORT_EBPF"),
    (libc::SOL_SOCKET, 68, "SO_DETACH_REUSEPORT_BPF"),
    // Another device, a filter, a key or a least number of hops: the slot's clients are not heard.
    (libc::SOL_SOCKET, 25, "SO_BINDTODEVICE"),
    (libc::SOL_SOCKET, 62, "SO_BINDTOIFINDEX"),
    (libc::SOL_SOCKET, 26, "SO_ATTACH_FILTER"),
    (libc::SOL_SOCKET, 27, "SO_DETACH_FILTER"),
    (libc::SOL_SOCKET, 44, "SO_LOCK_FILTER"),
    (libc::SOL_SOCKET, 50, "SO_ATTACH_BPF"),
    (libc::IPPROTO_TCP, 14, "TCP_MD5SIG"),
    (libc::IPPROTO_TCP, 32, "TCP_MD5SIG_EXT"),
    (libc::IPPROTO_TCP, 38, "TCP_AO_ADD_KEY"),
    (libc::IPPROTO_TCP, 39, "TCP_AO_DEL_KEY"),
    (libc::IPPROTO_TCP, 40, "TCP_AO_INFO"),
    (libc::IPPROTO_TCP, 42, "TCP_AO_REPAIR"),
    (libc::IPPROTO_IP, 21, "IP_MINTTL"),
    (libc::IPPROTO_IPV6, 73, "IPV6_MINHOPCOUNT"),
    // Connections that nobody has confirmed, and keys that cannot be read back.
    (libc::IPPROTO_TCP, 23, "TCP_FASTOPEN"),
    (libc::IPPROTO_TCP, 33, "TCP_FASTOPEN_KEY"),
    (libc::IPPROTO_TCP, 34, "TCP_FASTOPEN_NO_COOKIE"),
    // Another protocol, for good. TLS in the kernel is one: a library does it itself then.
    (libc::IPPROTO_TCP, 31, "TCP_ULP"),
    (libc::IPPROTO_TCP, 19, "TCP_REPAIR"),
];

/// Makes the kernel answer EPERM to what is closed. It cannot be undone.
pub(super) fn protect_the_port() -> io::Result<()> {
    let program = filter().map_err(io::Error::other)?;
    apply_filter(&program).map_err(io::Error::other)
}

/// A system call of another architecture (32-bit programs) ends the process.
fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let closed: Vec<SeccompRule> =
        CLOSED.iter().map(|&(level, option, _)| rule(level, option)).collect::<Result<_, _>>()?;
    // The requests of io_uring are not seen by a filter, and set options as well. No rule: always.
    let mut rules = BTreeMap::from([(libc::SYS_io_uring_setup, Vec::new())]);
    rules.extend(setsockopt().iter().map(|&number| (number, closed.clone())));
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, ARCH.try_into()?)?.try_into()
}

/// The numbers of the call.
#[cfg(not(target_arch = "x86_64"))]
fn setsockopt() -> [libc::c_long; 1] {
    [libc::SYS_setsockopt]
}

/// The numbers of the call, with those of the x32 interface, which is of the same architecture. Kernels
/// before 5.4 take them with and without its bit.
#[cfg(target_arch = "x86_64")]
fn setsockopt() -> [libc::c_long; 4] {
    const X32: libc::c_long = 0x4000_0000;
    const SYS_SETSOCKOPT_X32: libc::c_long = 541;
    let both = [libc::SYS_setsockopt, SYS_SETSOCKOPT_X32];
    [both[0], both[1], both[0] | X32, both[1] | X32]
}

/// `setsockopt(_, level, option, ...)`.
fn rule(level: libc::c_int, option: libc::c_int) -> Result<SeccompRule, seccompiler::BackendError> {
    let is = |argument, value: libc::c_int| {
        let value = u64::from(value.cast_unsigned());
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
    };
    SeccompRule::new(vec![is(1, level)?, is(2, option)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_would_take_the_filter() {
        assert!(filter().unwrap().len() < 4096);
    }

    /// Of the options that the libc crate names.
    #[test]
    fn the_numbers_are_those_of_linux() {
        let number = |name: &str| CLOSED.iter().find(|(_, _, it)| *it == name).unwrap().1;
        for (name, expected) in [
            ("SO_REUSEPORT", libc::SO_REUSEPORT),
            ("SO_ATTACH_REUSEPORT_CBPF", libc::SO_ATTACH_REUSEPORT_CBPF),
            ("SO_ATTACH_REUSEPORT_EBPF", libc::SO_ATTACH_REUSEPORT_EBPF),
            ("SO_BINDTODEVICE", libc::SO_BINDTODEVICE),
            ("SO_ATTACH_FILTER", libc::SO_ATTACH_FILTER),
            ("SO_DETACH_FILTER", libc::SO_DETACH_FILTER),
            ("SO_LOCK_FILTER", libc::SO_LOCK_FILTER),
            ("TCP_MD5SIG", libc::TCP_MD5SIG),
            ("TCP_FASTOPEN", libc::TCP_FASTOPEN),
            ("TCP_ULP", libc::TCP_ULP),
            ("TCP_REPAIR", libc::TCP_REPAIR),
            ("IP_MINTTL", libc::IP_MINTTL),
        ] {
            assert_eq!(number(name), expected, "{name}");
        }
    }
}
