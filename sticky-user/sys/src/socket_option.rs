//! Options of a TCP socket as the bytes that the kernel gives and takes.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `SO_BUF_LOCK`, which the libc crate does not name.
const SO_BUF_LOCK: libc::c_int = 72;
/// Longer than the value of every option here.
const LONGEST: usize = 64;

/// An option whose value is plain bytes, in which nothing is an address of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOption {
    level: libc::c_int,
    name: libc::c_int,
    default: Default,
}

/// How the value that a new socket has is given to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Default {
    /// As it was read.
    AsRead,
    /// The kernel doubles what it is given.
    Halved,
    /// What is read is an effect; zero stands for "not set".
    Zero,
}

const fn option(level: libc::c_int, name: libc::c_int) -> SocketOption {
    SocketOption { level, name, default: Default::AsRead }
}

const fn socket(name: libc::c_int) -> SocketOption {
    option(libc::SOL_SOCKET, name)
}

const fn tcp(name: libc::c_int) -> SocketOption {
    option(libc::IPPROTO_TCP, name)
}

const fn ipv4(name: libc::c_int) -> SocketOption {
    option(libc::IPPROTO_IP, name)
}

const fn ipv6(name: libc::c_int) -> SocketOption {
    option(libc::IPPROTO_IPV6, name)
}

impl SocketOption {
    const fn by(self, default: Default) -> Self {
        Self { default, ..self }
    }

    /// Those of a listener that decide whether a client gets to it.
    pub const OF_ACCESS: [Self; 6] = [
        socket(libc::SO_REUSEPORT),
        socket(libc::SO_BINDTODEVICE),
        socket(libc::SO_INCOMING_CPU),
        socket(libc::SO_LOCK_FILTER),
        ipv4(libc::IP_MINTTL),
        ipv6(libc::IPV6_MINHOPCOUNT),
    ];

    /// The others of a listener that the connections which it accepts have as well, in an order in
    /// which none undoes another.
    pub const INHERITED: [Self; 53] = [
        ipv4(libc::IP_TOS),
        ipv4(libc::IP_TTL),
        ipv4(libc::IP_OPTIONS),
        ipv4(libc::IP_PKTINFO),
        ipv4(libc::IP_RECVERR),
        ipv4(libc::IP_MTU_DISCOVER),
        ipv4(libc::IP_FREEBIND),
        ipv4(libc::IP_TRANSPARENT),
        ipv4(libc::IP_NODEFRAG),
        ipv6(libc::IPV6_TCLASS),
        ipv6(libc::IPV6_UNICAST_HOPS),
        ipv6(libc::IPV6_MTU_DISCOVER),
        ipv6(libc::IPV6_RECVERR),
        ipv6(libc::IPV6_DONTFRAG),
        ipv6(libc::IPV6_FREEBIND),
        ipv6(libc::IPV6_TRANSPARENT),
        socket(libc::SO_REUSEADDR),
        socket(libc::SO_DONTROUTE),
        socket(libc::SO_KEEPALIVE),
        socket(libc::SO_LINGER),
        socket(libc::SO_MARK),
        socket(libc::SO_OOBINLINE),
        socket(libc::SO_PRIORITY),
        socket(libc::SO_BUSY_POLL),
        socket(libc::SO_RCVLOWAT),
        socket(libc::SO_RCVTIMEO),
        socket(libc::SO_SNDTIMEO),
        socket(libc::SO_RXQ_OVFL),
        socket(libc::SO_TIMESTAMP),
        socket(libc::SO_TIMESTAMPNS),
        socket(libc::SO_TIMESTAMPING),
        socket(libc::SO_ZEROCOPY),
        socket(libc::SO_RCVBUF).by(Default::Halved),
        socket(libc::SO_SNDBUF).by(Default::Halved),
        // Setting a size fixes it: that is undone last.
        socket(SO_BUF_LOCK),
        tcp(libc::TCP_NODELAY),
        tcp(libc::TCP_CORK),
        tcp(libc::TCP_MAXSEG).by(Default::Zero),
        tcp(libc::TCP_KEEPIDLE),
        tcp(libc::TCP_KEEPINTVL),
        tcp(libc::TCP_KEEPCNT),
        tcp(libc::TCP_SYNCNT),
        tcp(libc::TCP_LINGER2),
        tcp(libc::TCP_DEFER_ACCEPT),
        tcp(libc::TCP_WINDOW_CLAMP),
        tcp(libc::TCP_QUICKACK),
        tcp(libc::TCP_CONGESTION),
        tcp(libc::TCP_THIN_LINEAR_TIMEOUTS),
        tcp(libc::TCP_USER_TIMEOUT),
        tcp(libc::TCP_FASTOPEN_NO_COOKIE),
        tcp(libc::TCP_NOTSENT_LOWAT),
        tcp(libc::TCP_SAVE_SYN),
        tcp(libc::TCP_INQ),
    ];

    /// Its value; an error where the kernel or the socket has no such option.
    ///
    /// # Errors
    ///
    /// The kernel or the socket has no such option.
    pub fn get(self, of: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
        let mut value = vec![0; LONGEST];
        #[expect(clippy::cast_possible_truncation, reason = "a small constant")]
        let mut length = LONGEST as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes to `value`, and both outlive the call. In
        // the values of the options above nothing is an address: it writes nowhere else.
        #[expect(unsafe_code, reason = "no crate has all of these options")]
        let result = unsafe {
            libc::getsockopt(
                of.as_raw_fd(),
                self.level,
                self.name,
                value.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        value.truncate(length as usize);
        Ok(value)
    }

    /// Gives a socket the value that [`SocketOption::get`] told of a new one.
    ///
    /// # Errors
    ///
    /// The kernel refuses the value.
    pub fn reset(self, of: BorrowedFd<'_>, value_of_new: &[u8]) -> io::Result<()> {
        match (self.default, <[u8; 4]>::try_from(value_of_new)) {
            (Default::Halved, Ok(value)) => {
                self.set(of, &(libc::c_int::from_ne_bytes(value) / 2).to_ne_bytes())
            }
            (Default::Zero, _) => self.set(of, &[0; 4]),
            _ => self.set(of, value_of_new),
        }
    }

    fn set(self, of: BorrowedFd<'_>, value: &[u8]) -> io::Result<()> {
        let length = value.len().try_into().map_err(io::Error::other)?;
        // SAFETY: the kernel reads `length` bytes of `value`, which outlives the call. In the values
        // of the options above nothing is an address: it reads nothing else.
        #[expect(unsafe_code, reason = "no crate has all of these options")]
        let result = unsafe {
            libc::setsockopt(of.as_raw_fd(), self.level, self.name, value.as_ptr().cast(), length)
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
    use std::os::fd::AsFd;
    use std::time::Duration;

    use socket2::{Domain, Socket, Type};

    use super::*;

    fn values(of: &Socket) -> Vec<Option<Vec<u8>>> {
        let all = SocketOption::OF_ACCESS.iter().chain(&SocketOption::INHERITED);
        all.map(|option| option.get(of.as_fd()).ok()).collect()
    }

    /// A listener has what a new socket has, and gets it back.
    #[test]
    fn what_was_changed_is_as_before() {
        for (domain, address) in [
            (Domain::IPV4, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            (Domain::IPV6, SocketAddr::from((Ipv6Addr::LOCALHOST, 0))),
        ] {
            let new = Socket::new(domain, Type::STREAM, None).unwrap();
            let listener = Socket::new(domain, Type::STREAM, None).unwrap();
            listener.bind(&address.into()).unwrap();
            listener.listen(1).unwrap();
            assert_eq!(values(&listener), values(&new));

            listener.set_linger(Some(Duration::ZERO)).unwrap();
            listener.set_recv_buffer_size(4096).unwrap();
            listener.set_send_buffer_size(4096).unwrap();
            listener.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
            listener.set_reuse_port(true).unwrap();
            listener.set_tcp_nodelay(true).unwrap();
            listener.set_tcp_mss(90).unwrap();
            listener.set_keepalive(true).unwrap();
            listener.set_tcp_user_timeout(Some(Duration::from_secs(3))).unwrap();
            listener.set_tos_v4(0x10).unwrap();
            let all = SocketOption::OF_ACCESS.iter().chain(&SocketOption::INHERITED);
            for (option, (is, was)) in all.zip(values(&listener).into_iter().zip(values(&new))) {
                if let Some(was) = was.filter(|was| is.as_ref() != Some(was)) {
                    option.reset(listener.as_fd(), &was).unwrap();
                }
            }
            assert_eq!(values(&listener), values(&new));
        }
    }
}
