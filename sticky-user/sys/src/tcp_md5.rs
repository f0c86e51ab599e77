//! `setsockopt(TCP_MD5SIG_EXT)`: a listener that demands a signature (RFC 2385) of every client.

use std::io;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;

use socket2::{SockAddr, Socket};

/// Linux's `TCP_MD5SIG_EXT`, which the libc crate does not name.
const TCP_MD5SIG_EXT: libc::c_int = 32;
/// The address has a prefix length.
const TCP_MD5SIG_FLAG_PREFIX: u8 = 1;
/// Any key does: nobody is to know it.
const KEY: &[u8] = b"closed";

/// `struct tcp_md5sig` of Linux's `linux/tcp.h`.
#[repr(C)]
struct TcpMd5Sig {
    address: libc::sockaddr_storage,
    flags: u8,
    prefix_length: u8,
    key_length: u16,
    interface: libc::c_int,
    key: [u8; 80],
}

/// Demands a signature from every client of either family, or no longer does.
///
/// # Errors
///
/// The kernel knows no such signatures (`CONFIG_TCP_MD5SIG`).
pub fn require_from_all(socket: &Socket, required: bool) -> io::Result<()> {
    let families: &[SocketAddr] = match socket.local_addr()?.as_socket() {
        Some(SocketAddr::V6(_)) => &[
            SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0),
            // An IPv6 socket names its IPv4 clients in the mapped form.
            SocketAddr::new(std::net::IpAddr::V6(Ipv4Addr::UNSPECIFIED.to_ipv6_mapped()), 0),
        ],
        _ => &[SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)],
    };
    families.iter().try_for_each(|&all| set(socket, all, if required { KEY } else { &[] }))
}

/// Sets the key for all clients of the family of `all`; an empty one takes it away.
fn set(socket: &Socket, all: SocketAddr, key: &[u8]) -> io::Result<()> {
    let mut signature = TcpMd5Sig {
        // SAFETY: a struct of integers, for which zeros are a value.
        #[expect(unsafe_code, reason = "libc has no constructor for it")]
        address: unsafe { mem::zeroed() },
        flags: TCP_MD5SIG_FLAG_PREFIX,
        prefix_length: 0,
        key_length: 0,
        interface: 0,
        key: [0; 80],
    };
    let all = SockAddr::from(all);
    // SAFETY: a `SockAddr` is at most a `sockaddr_storage` long.
    #[expect(unsafe_code, reason = "the kernel wants the address in the middle of its struct")]
    unsafe {
        std::ptr::copy_nonoverlapping(
            all.as_ptr().cast::<u8>(),
            (&raw mut signature.address).cast::<u8>(),
            all.len() as usize,
        );
    }
    for (place, &byte) in signature.key.iter_mut().zip(key) {
        *place = byte;
        signature.key_length += 1;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the size of a struct")]
    let length = size_of::<TcpMd5Sig>() as libc::socklen_t;
    // SAFETY: the kernel reads `length` bytes of `signature`, which outlives the call.
    #[expect(unsafe_code, reason = "neither rustix nor nix nor socket2 has this option")]
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            TCP_MD5SIG_EXT,
            (&raw const signature).cast(),
            length,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
