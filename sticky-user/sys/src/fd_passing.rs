//! One connection per message over a Unix socket (`SCM_RIGHTS`).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::sockopt::{set_socket_send_buffer_size, socket_send_buffer_size};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::message;

/// A message needs a byte to carry a descriptor.
const PAYLOAD: [u8; 1] = [0];

/// What the kernel counts for one message of a byte, in bytes (6.18; it is not promised).
const MESSAGE: usize = 768;

/// The two ends of a slot's socket: non-blocking, close-on-exec, and keeping messages apart. Not
/// many more than `connections` are on their way from the first to the second at once.
///
/// # Errors
///
/// There are no descriptors for it.
pub fn pair(connections: u16) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (near, far) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    let room = usize::from(connections) * MESSAGE;
    if room < socket_send_buffer_size(&near)? {
        // The kernel doubles what it is given, and has a least of its own.
        set_socket_send_buffer_size(&near, room / 2)?;
    }
    Ok((near, far))
}

/// Whether nothing is wrong but that too many messages are on their way: on this socket
/// (`WouldBlock`), or of this user on all sockets (`ETOOMANYREFS`, by the limit of open files).
pub fn is_crowded(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::ETOOMANYREFS)
}

/// Whether the receiver has shut its end down.
pub fn is_shut(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

/// Sends `connection`. See [`is_crowded`] for the errors that pass.
///
/// # Errors
///
/// The other end has closed, or takes no more at the moment (`WouldBlock`).
pub fn send(socket: impl AsFd, connection: BorrowedFd<'_>) -> io::Result<()> {
    message::send(socket, &PAYLOAD, Some(connection))
}

/// Receives a connection, close-on-exec. `None` when the other end has closed; `WouldBlock` when
/// none waits, also where an earlier holder of the socket has made it block; `InvalidData` when a
/// message does not carry exactly one descriptor.
///
/// # Errors
///
/// Those above.
pub fn receive(socket: impl AsFd) -> io::Result<Option<OwnedFd>> {
    let mut payload = PAYLOAD;
    match message::receive_waiting(socket, &mut payload)? {
        (0, None) => Ok(None),
        (1, Some(connection)) => Ok(Some(connection)),
        _ => Err(invalid("a message does not carry exactly one connection")),
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use std::io::{IoSlice, Read, Write};
    use std::mem::MaybeUninit;
    use std::net::{TcpListener, TcpStream};

    use rustix::io::{FdFlags, fcntl_getfd};
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

    use super::*;

    fn send_raw(socket: &OwnedFd, payload: &[u8], descriptors: &[BorrowedFd<'_>]) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(descriptors)));
        sendmsg(socket, &[IoSlice::new(payload)], &mut control, SendFlags::empty()).unwrap();
    }

    #[test]
    fn a_connection_arrives_whole() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(b"sent before").unwrap();
        let (accepted, _) = listener.accept().unwrap();

        let (near, far) = pair(100).unwrap();
        send(&near, accepted.as_fd()).unwrap();
        drop(accepted);
        let passed = receive(&far).unwrap().unwrap();
        assert!(fcntl_getfd(&passed).unwrap().contains(FdFlags::CLOEXEC));
        let mut text = [0; 11];
        TcpStream::from(passed).read_exact(&mut text).unwrap();
        assert_eq!(&text, b"sent before");
    }

    #[test]
    fn nothing_waits_then_the_end() {
        let (near, far) = pair(100).unwrap();
        assert_eq!(receive(&far).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(near);
        assert!(receive(&far).unwrap().is_none());
    }

    #[test]
    fn other_messages_are_errors_and_leak_nothing() {
        let (near, far) = pair(100).unwrap();
        let (read, write) = rustix::pipe::pipe().unwrap();
        send_raw(&near, &[0], &[read.as_fd(), read.as_fd(), read.as_fd()]);
        send_raw(&near, &[0], &[read.as_fd(), read.as_fd()]);
        send_raw(&near, &[0, 0], &[read.as_fd()]);
        rustix::net::send(&near, &[0], SendFlags::empty()).unwrap();
        drop(read);
        for _ in 0..4 {
            assert_eq!(receive(&far).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
        // With the last reader gone a pipe breaks: no descriptor was kept.
        let broken = rustix::io::write(&write, b"x").unwrap_err();
        assert_eq!(broken, rustix::io::Errno::PIPE);
    }
}
