//! Reading the head of a request, with next to nothing kept for a client that does not send one.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, Sleep};

use super::connection::Shared;
use super::idle::{Awaited, Wait};
use super::stream::{Stream, Transport, poll_some};

/// The longest head: as in nginx (4 buffers of 8 kB), doubled. Of a longer one hyper is given as much, and says
/// 431.
pub(crate) const LONGEST: usize = 64 << 10;

/// Waits for a request, and reads into `stream.ahead` until its head is whole. `None` when there will be
/// none: the client has gone, or is too slow, or the connection was idle when it was to be closed.
pub(crate) async fn read<S: Transport>(
    stream: &mut Stream<S>,
    awaited: Awaited,
    mut timer: Pin<&mut Sleep>,
    shared: &Shared,
) -> Option<()> {
    let Stream { io, ahead, .. } = stream;
    skip_empty_lines(ahead);
    if ahead.is_empty() && awaited == Awaited::NextRequest {
        timer.as_mut().reset(Instant::now() + shared.timeouts.idle);
    }
    while ahead.is_empty() {
        *ahead = begin(io, awaited, timer.as_mut(), shared).await?;
        skip_empty_lines(ahead);
    }
    if ends_head(ahead, 0) {
        return Some(());
    }
    // The head of a connection's first request was waited for since it was accepted.
    if awaited == Awaited::NextRequest {
        timer.as_mut().reset(Instant::now() + shared.timeouts.head);
    }
    let mut head = BytesMut::from(std::mem::take(ahead));
    let mut looked_at = 0;
    while head.len() < LONGEST {
        // hyper says what is wrong with what cannot become a head.
        if head.len() >= 2 * looked_at {
            if !may_become_head(&head) {
                break;
            }
            looked_at = head.len();
        }
        let before = head.len();
        poll_fn(|cx| poll_in_time(io, cx, timer.as_mut(), |bytes| head.extend_from_slice(bytes)))
            .await?;
        if ends_head(&head, before) {
            break;
        }
    }
    *ahead = head.freeze();
    Some(())
}

/// Waits for the first bytes of a request.
async fn begin<S: Transport>(
    io: &mut S,
    awaited: Awaited,
    mut timer: Pin<&mut Sleep>,
    shared: &Shared,
) -> Option<Bytes> {
    let mut wait = None;
    poll_fn(|cx| {
        let mut head = Bytes::new();
        let polled =
            poll_in_time(io, cx, timer.as_mut(), |bytes| head = Bytes::copy_from_slice(bytes));
        match polled {
            Poll::Ready(read) => return Poll::Ready(read.map(|()| head)),
            Poll::Pending if wait.is_none() => wait = Some(shared.idle.enter(awaited, cx)),
            Poll::Pending if wait.as_mut().is_some_and(Wait::is_over) => {
                return Poll::Ready(None);
            }
            Poll::Pending => {}
        }
        Poll::Pending
    })
    .await
}

/// Reads something; `None` when nothing more will come, or not in time.
fn poll_in_time<S: Transport>(
    io: &mut S,
    cx: &mut Context<'_>,
    timer: Pin<&mut Sleep>,
    take: impl FnOnce(&[u8]),
) -> Poll<Option<()>> {
    match poll_some(io, cx, take) {
        Poll::Ready(Ok(1..)) => Poll::Ready(Some(())),
        Poll::Ready(_) => Poll::Ready(None),
        Poll::Pending => timer.poll(cx).map(|()| None),
    }
}

/// Some clients send an empty line behind a body: it is no part of a request, and not the end of a head.
fn skip_empty_lines(ahead: &mut Bytes) {
    let empty = ahead.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    // Nothing that was read is kept for a client that has sent nothing else.
    *ahead = if empty == ahead.len() { Bytes::new() } else { ahead.split_off(empty) };
}

/// Whether an empty line comes behind `from`, or some bytes before. hyper finds out whether it is the end.
fn ends_head(head: &[u8], from: usize) -> bool {
    if head.ends_with(b"\r\n\r\n") {
        return true;
    }
    let new = head.get(from.saturating_sub(2)..).unwrap_or_default();
    let mut ends = new.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.any(|(at, _)| matches!(new.get(at + 1..), Some([b'\n', ..] | [b'\r', b'\n', ..])))
}

fn may_become_head(head: &[u8]) -> bool {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    httparse::Request::new(&mut headers).parse(head).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_wherever_the_head_was_cut() {
        for head in
            ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.0\n\n", "GET / HTTP/1.1\n\r\n"]
        {
            for cut in 0..head.len() {
                assert!(!ends_head(&head.as_bytes()[..cut], 0), "{cut}");
                assert!(ends_head(head.as_bytes(), cut), "{cut}");
            }
            assert!(ends_head(format!("{head}body").as_bytes(), 0));
        }
    }

    #[test]
    fn what_is_no_head_is_seen_early() {
        for (head, may) in [
            ("G", true),
            ("GET / HTTP/1.1\r\nHost", true),
            ("\r\nGET /", true),
            ("\u{16}\u{3}\u{1}", false),
            ("GET / HTTP/9", false),
        ] {
            assert_eq!(may_become_head(head.as_bytes()), may, "{head:?}");
        }
    }
}
