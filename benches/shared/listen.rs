//! Listeners that share a port.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use socket2::{Domain, Socket, Type};

/// Connections that may wait, as in `sticky run`.
pub const BACKLOG: u16 = 4096;

/// A listener on the loopback address; port 0 takes a free one.
pub fn listen(port: u16) -> Result<(Socket, SocketAddr)> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(BACKLOG.into())?;
    let address = socket.local_addr()?.as_socket();
    Ok((socket, address.context("the listener has no address of IPv4 or IPv6")?))
}

/// So many on the same port, in a group without a program.
pub fn group(count: u32) -> Result<(Vec<Socket>, SocketAddr)> {
    let (first, address) = listen(0)?;
    let mut listeners = vec![first];
    for _ in 1..count {
        listeners.push(listen(address.port())?.0);
    }
    Ok((listeners, address))
}
