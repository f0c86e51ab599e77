//! Which process is at the other end of a Unix socket. One outside of this PID namespace has no
//! number here: the kernel says 0, which rustix's `UCred` has no value for.

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::process::{Pid, Uid};

/// Who has connected, or has begun to listen.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// `None` where the process has no number here.
    pub pid: Option<Pid>,
    /// The process's user.
    pub uid: Uid,
}

/// The other end of a connection.
///
/// # Errors
///
/// It is no Unix socket.
pub fn peer(socket: &impl AsFd) -> io::Result<Peer> {
    let peer = getsockopt(socket, PeerCredentials)?;
    Ok(Peer { pid: Pid::from_raw(peer.pid()), uid: Uid::from_raw(peer.uid()) })
}

/// A message, and who sent it.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// Its length, as far as there was room.
    pub length: usize,
    /// Whether there was too little room.
    pub truncated: bool,
    /// `None` where the kernel did not tell, or the process has no number here.
    pub sender: Option<Pid>,
}

/// The space for one message of the kernel: no descriptor fits in behind it, so that none is taken.
#[repr(C)]
struct Control {
    header: libc::cmsghdr,
    credentials: libc::ucred,
}

/// Receives a datagram from a socket that has `SO_PASSCRED`, without waiting. Descriptors that came along
/// are closed.
///
/// # Errors
///
/// `WouldBlock` when no datagram waits.
pub fn receive(socket: impl AsFd, text: &mut [u8]) -> io::Result<Received> {
    let mut part = libc::iovec { iov_base: text.as_mut_ptr().cast(), iov_len: text.len() };
    // SAFETY: plain structs of integers and pointers, for which zeros are a value.
    #[expect(unsafe_code, reason = "the kernel fills the structs in")]
    let (mut control, mut message): (Control, libc::msghdr) = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = size_of::<Control>() as _;
    let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
    // SAFETY: the kernel writes at most the given lengths to `text` and `control`, which outlive the
    // call, and any bytes are values of both.
    #[expect(unsafe_code, reason = "rustix has no value for the pid 0")]
    let length = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut message, flags) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    let Control { header, credentials } = control;
    #[allow(clippy::unnecessary_cast, reason = "of another type in musl")]
    let space = header.cmsg_len as usize;
    let told = space >= size_of::<libc::cmsghdr>() + size_of::<libc::ucred>()
        && (header.cmsg_level, header.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_CREDENTIALS);
    let sender = if told { Pid::from_raw(credentials.pid) } else { None };
    Ok(Received { length, truncated: message.msg_flags & libc::MSG_TRUNC != 0, sender })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use rustix::net::sockopt::set_socket_passcred;
    use rustix::process::getpid;

    use super::*;
    use crate::message;

    #[test]
    fn the_kernel_tells_who_sent_it_and_no_descriptor_is_taken() {
        let (far, near) = UnixDatagram::pair().unwrap();
        set_socket_passcred(&near, true).unwrap();
        assert_eq!(peer(&near).unwrap().pid, Some(getpid()));
        let (pipe, end) = io::pipe().unwrap();
        for descriptor in [Some(end.as_fd()), None] {
            message::send(&far, b"READY=1", descriptor).unwrap();
        }
        drop(end);
        let mut text = [0; 5];
        for _ in 0..2 {
            let received = receive(&near, &mut text).unwrap();
            assert_eq!((received.length, received.truncated), (5, true));
            assert_eq!((received.sender, &text), (Some(getpid()), b"READY"));
        }
        let nothing = receive(&near, &mut text).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        // Its last writer has gone.
        assert_eq!(io::read_to_string(pipe).unwrap(), "");
    }
}
