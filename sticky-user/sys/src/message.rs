//! Messages over a Unix socket, with descriptors (`SCM_RIGHTS`).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Sends a message, with a descriptor or without. A receiver that has gone is an error, not a
/// SIGPIPE.
///
/// # Errors
///
/// The receiver has gone, or takes no more at the moment (`WouldBlock`).
pub fn send(
    socket: impl AsFd,
    payload: &[u8],
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = descriptor.as_slice();
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    sendmsg(socket, &[IoSlice::new(payload)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives a message into `payload`: its length, 0 when the other end has closed, and the
/// descriptor that came with it, close-on-exec. `InvalidData` when it is longer, or carries more
/// descriptors.
///
/// # Errors
///
/// The one above, and `WouldBlock` on a non-blocking socket on which no message waits.
pub fn receive(socket: impl AsFd, payload: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    receive_with(socket, payload, RecvFlags::empty())
}

/// The same, but `WouldBlock` where no message waits, also where the socket itself would block.
///
/// # Errors
///
/// Those of [`receive`].
pub fn receive_waiting(
    socket: impl AsFd,
    payload: &mut [u8],
) -> io::Result<(usize, Option<OwnedFd>)> {
    receive_with(socket, payload, RecvFlags::DONTWAIT)
}

fn receive_with(
    socket: impl AsFd,
    payload: &mut [u8],
    flags: RecvFlags,
) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = flags | RecvFlags::CMSG_CLOEXEC;
    let message = recvmsg(socket, &mut [IoSliceMut::new(payload)], &mut control, flags)?;
    let mut received = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten();
    let descriptor = received.next();
    // The space is rounded up, and holds a second one.
    if received.next().is_some()
        || message.flags.intersects(ReturnFlags::CTRUNC | ReturnFlags::TRUNC)
    {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message carries too much"));
    }
    Ok((message.bytes, descriptor))
}
