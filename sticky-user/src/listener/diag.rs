//! Who listens on a port, asked of the kernel: `sock_diag(7)` tells listeners alone, however many
//! connections there are.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP};
use netlink_packet_sock_diag::inet::nlas::Nla;
use netlink_packet_sock_diag::inet::{
    ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags,
};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// The kernel answers within the call; longer it is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// The kernel's messages are not longer.
const LONGEST: usize = 64 * 1024;
/// More listeners on one port are not looked at.
const MOST: usize = 4096;
/// Every message begins at a multiple of this (`NLMSG_ALIGNTO`).
const ALIGNMENT: usize = 4;

/// A listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listening {
    /// The number of the socket, as in `/proc/PID/fd`.
    pub(super) inode: u64,
    /// The user that opened it.
    pub(super) uid: u32,
    pub(super) address: SocketAddr,
    /// The only interface that it gets packets of; 0: all.
    pub(super) interface: u32,
    /// An IPv6 socket that takes no IPv4 client.
    pub(super) only_v6: bool,
    /// How many connections may wait.
    pub(super) limit: u32,
    /// It listens and is shut down all the same: what it accepts is shut down from the start.
    pub(super) shut: bool,
    /// Memory of what hangs on it: filters, keys of signatures.
    pub(super) attached: u32,
}

/// All sockets that listen on a port; those of one address in the order in which they began to listen.
pub(super) fn on_port(port: u16) -> io::Result<Vec<Listening>> {
    let mut ipv4 = of_family(AF_INET, port)?;
    // The kernel puts a new one before the others in a list of IPv4, behind them in one of IPv6.
    ipv4.reverse();
    match of_family(AF_INET6, port) {
        Ok(ipv6) => ipv4.extend(ipv6),
        // A kernel without IPv6.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(ipv4)
}

fn of_family(family: u8, port: u16) -> io::Result<Vec<Listening>> {
    let flags = SocketFlags::CLOEXEC;
    let kernel = AddressFamily::NETLINK;
    let socket = socket_with(kernel, SocketType::RAW, flags, Some(netlink::SOCK_DIAG))?;
    for timeout in [Timeout::Recv, Timeout::Send] {
        set_socket_timeout(&socket, timeout, Some(PATIENCE))?;
    }
    send(&socket, &request(family, port), SendFlags::empty())?;
    let mut found = Vec::new();
    while receive(&socket, &mut found)? {}
    Ok(found)
}

fn request(family: u8, port: u16) -> Vec<u8> {
    let id = if family == AF_INET { SocketId::new_v4() } else { SocketId::new_v6() };
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let request = SockDiagMessage::InetRequest(InetRequest {
        family,
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::SKMEMINFO,
        states: StateFlags::LISTEN,
        socket_id: SocketId { source_port: port, ..id },
    });
    let mut message = NetlinkMessage::new(header, request.into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// Receives some of the answer; tells whether there is more.
fn receive(socket: &OwnedFd, found: &mut Vec<Listening>) -> io::Result<bool> {
    let mut answer = vec![0; LONGEST];
    let (length, _) = recv(socket.as_fd(), &mut answer[..], RecvFlags::empty())?;
    read(answer.get(..length).unwrap_or_default(), found)
}

/// Reads one datagram of the answer; tells whether there is more to come.
fn read(mut messages: &[u8], found: &mut Vec<Listening>) -> io::Result<bool> {
    while !messages.is_empty() {
        let message = NetlinkMessage::<SockDiagMessage>::deserialize(messages);
        let message = message.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let length = (message.header.length as usize).next_multiple_of(ALIGNMENT);
        match message.payload {
            NetlinkPayload::Done(_) => return Ok(false),
            NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.into()),
            NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => {
                if found.len() >= MOST {
                    return Ok(false);
                }
                found.push(Listening::of(&response));
            }
            _ => {}
        }
        messages = messages.get(length.max(1)..).unwrap_or_default();
    }
    Ok(true)
}

impl Listening {
    fn of(response: &InetResponse) -> Self {
        let header = &response.header;
        let id = &header.socket_id;
        let mut this = Self {
            inode: header.inode.into(),
            uid: header.uid,
            address: SocketAddr::new(id.source_address, id.source_port),
            interface: id.interface_id,
            only_v6: false,
            limit: header.send_queue,
            shut: false,
            attached: 0,
        };
        for attribute in &response.nlas {
            match attribute {
                Nla::SkV6Only(only) => this.only_v6 = *only,
                Nla::Shutdown(how) => this.shut = *how != 0,
                Nla::MemInfo(memory) => this.attached = memory.options,
                _ => {}
            }
        }
        this
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, Shutdown};
    use std::os::fd::AsFd;

    use proptest::prelude::*;
    use rustix::fs::fstat;
    use socket2::{Domain, Socket, Type};

    use super::*;
    use crate::listener::syn_gate::SynGate;

    fn bound(address: SocketAddr) -> Socket {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(&address.into()).unwrap();
        socket
    }

    /// By the number of a port that was found: one without loses it when it is shut down.
    fn group(address: SocketAddr, count: usize) -> (SocketAddr, Vec<Socket>) {
        let found = bound(address);
        let address = found.local_addr().unwrap().as_socket().unwrap();
        let sockets: Vec<Socket> = (0..count).map(|_| bound(address)).collect();
        for socket in &sockets {
            socket.listen(7).unwrap();
        }
        (address, sockets)
    }

    fn inode(socket: &Socket) -> u64 {
        fstat(socket.as_fd()).unwrap().st_ino
    }

    /// Also more than fit into one datagram, and after a listener has begun anew.
    #[test]
    fn all_in_the_order_of_listening() {
        for address in [
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        ] {
            let (address, mut sockets) = group(address, 256);
            let again = sockets.remove(3);
            again.shutdown(Shutdown::Both).unwrap();
            again.listen(9).unwrap();
            sockets.push(again);
            let found = on_port(address.port()).unwrap();
            let expected: Vec<u64> = sockets.iter().map(inode).collect();
            assert_eq!(found.iter().map(|it| it.inode).collect::<Vec<_>>(), expected);
            assert!(found.iter().all(|it| it.address == address && !it.shut && it.attached == 0));
            assert_eq!(found.last().unwrap().limit, 9);
        }
    }

    #[test]
    fn what_is_wrong_with_one() {
        let (address, sockets) = group(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), 1);
        let state = || on_port(address.port()).unwrap()[0];
        if let Ok(gate) = SynGate::close_first(&sockets[0]) {
            assert!(state().attached > 0);
            gate.open(&sockets[0]).unwrap();
        }
        assert_eq!(state().attached, 0);
        sockets[0].shutdown(Shutdown::Both).unwrap();
        // The second time nothing is there to end, and what is said to the client stays all the same.
        let _ = sockets[0].shutdown(Shutdown::Both);
        sockets[0].listen(7).unwrap();
        assert!(state().shut);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, length in 0u32..80, kind in 0u16..24) {
            let mut found = Vec::new();
            let _ = read(&bytes, &mut found);
            let mut message = length.to_ne_bytes().to_vec();
            message.extend(kind.to_ne_bytes());
            message.extend(bytes);
            let _ = read(&message, &mut found);
        }
    }
}
