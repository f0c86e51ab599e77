//! The SYN gate of a listener: while it is closed, the kernel drops every SYN that comes for the listener.
//!
//! The client's TCP repeats a dropped SYN a second later, so that nobody is refused.

use std::io;

use socket2::{SockFilter, Socket};

use sticky_sys::tcp_md5;

/// One classic BPF instruction, "return 0": of every packet nothing is kept.
const DROP_ALL: [SockFilter; 1] = [SockFilter::new(0x06, 0, 0, 0)];

/// What keeps a SYN gate closed on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SynGate {
    /// A socket filter (`SO_ATTACH_FILTER`) that keeps nothing.
    Filter,
    /// A TCP-MD5 key (RFC 2385) that no client knows, for kernels that ask for `CAP_NET_ADMIN`
    /// before they take a filter.
    Signature,
}

impl SynGate {
    /// Closes the gate of `socket` by the first way that the kernel allows.
    pub(super) fn close_first(socket: &Socket) -> io::Result<Self> {
        match Self::Filter.close(socket) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Self::Signature.close(socket).map(|()| Self::Signature)
            }
            closed => closed.map(|()| Self::Filter),
        }
    }

    /// Opens the gate of `socket` where another process may have closed it, by whatever way.
    pub(super) fn open_any(socket: &Socket) {
        for gate in [Self::Filter, Self::Signature] {
            // An error says that it was not closed by this way.
            let _ = gate.open(socket);
        }
    }

    pub(super) fn close(self, socket: &Socket) -> io::Result<()> {
        match self {
            Self::Filter => socket.attach_filter(&DROP_ALL),
            Self::Signature => tcp_md5::require_from_all(socket, true),
        }
    }

    pub(super) fn open(self, socket: &Socket) -> io::Result<()> {
        match self {
            Self::Filter => socket.detach_filter(),
            Self::Signature => tcp_md5::require_from_all(socket, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
    use std::time::Duration;

    use socket2::{Domain, Type};

    use super::*;

    fn listener(domain: Domain, address: SocketAddr) -> (Socket, u16) {
        let socket = Socket::new(domain, Type::STREAM, None).unwrap();
        socket.bind(&address.into()).unwrap();
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        (socket, port)
    }

    /// Both ways, on both families: closed means that nobody connects, open that everybody does.
    #[test]
    fn a_closed_gate_lets_nobody_in() {
        let wildcard6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let wildcard4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        for (domain, address, clients) in [
            (Domain::IPV4, wildcard4, vec![Ipv4Addr::new(127, 3, 2, 1).into()]),
            (Domain::IPV6, wildcard6, vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]),
        ] {
            for gate in [SynGate::Filter, SynGate::Signature] {
                let (socket, port) = listener(domain, address);
                if let Err(error) = gate.close(&socket) {
                    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{gate:?}");
                    eprintln!("SKIPPED: {gate:?} needs CAP_NET_ADMIN on this kernel");
                    continue;
                }
                socket.listen(8).unwrap();
                for client in clients.iter().map(|&ip: &std::net::IpAddr| SocketAddr::new(ip, port))
                {
                    let connect = |timeout| TcpStream::connect_timeout(&client, timeout);
                    let refused = connect(Duration::from_millis(50)).unwrap_err();
                    assert_eq!(refused.kind(), io::ErrorKind::TimedOut, "{gate:?} {client}");
                }
                gate.open(&socket).unwrap();
                for &ip in &clients {
                    TcpStream::connect_timeout(&(ip, port).into(), Duration::from_secs(9)).unwrap();
                }
            }
        }
    }
}
