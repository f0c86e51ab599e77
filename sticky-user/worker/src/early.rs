//! Polls of sessions, which may wait for long, and so wait without hyper, whose buffer has 8 kB.
//!
//! Such a request is parsed and given to the router here; hyper gets it, and the answer with it, when there
//! is an answer. What else there is to HTTP stays hyper's.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderName, HeaderValue, Request, Uri, header};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use tower_service::Service;

use super::connection::Shared;
use super::stream::{Stream, Transport, poll_some};

/// A head with more headers is hyper's to look at, and may wait there.
const MOST_HEADERS: usize = 64;

/// As much is read of what comes behind a request that waits.
const MOST_BEHIND: usize = 8 << 10;

/// Headers that say that there is more to a request than its head.
const OTHERS: [HeaderName; 4] =
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::UPGRADE, header::EXPECT];

/// The request that `head` begins with, if it is a session's poll and nothing else.
pub(crate) fn poll_of(head: &[u8]) -> Option<Request<Body>> {
    let line = head.split(|byte| *byte == b'\n').next()?;
    let has = |part: &[u8]| line.windows(part.len()).any(|window| window == part);
    if !line.starts_with(b"GET /") || !has(b"transport=polling") || !has(b"sid=") {
        return None;
    }
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(_)) = parsed.parse(head) else { return None };
    if parsed.version != Some(1) {
        return None;
    }
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = Uri::try_from(parsed.path?).ok()?;
    for header in parsed.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        if OTHERS.contains(&name) {
            return None;
        }
        request.headers_mut().append(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    Some(request)
}

/// Waits for the application's answer; `None` when the client has gone meanwhile.
pub(crate) async fn answer<S: Transport>(
    mut request: Request<Body>,
    stream: &mut Stream<S>,
    peer: SocketAddr,
    shared: &Arc<Shared>,
) -> Option<Box<Response>> {
    request.extensions_mut().insert(ConnectInfo(peer));
    let mut answer = pin!(shared.router.clone().call(request));
    let Stream { io, ahead, .. } = stream;
    let head = ahead.len();
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(Ok(response)) = answer.as_mut().poll(cx) {
                return Poll::Ready(Some(Box::new(response)));
            }
            if ahead.len() - head >= MOST_BEHIND {
                return Poll::Pending;
            }
            let behind = |bytes: &[u8]| {
                let mut all = BytesMut::from(std::mem::take(ahead));
                all.extend_from_slice(bytes);
                *ahead = Bytes::from(all);
            };
            match poll_some(io, cx, behind) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLL: &str = "GET /socket.io/?EIO=4&transport=polling&sid=a HTTP/1.1\r\nHost: a\r\n";

    #[test]
    fn only_a_poll_and_nothing_else() {
        let request = poll_of(format!("{POLL}\r\nGET").as_bytes()).unwrap();
        assert_eq!(request.uri(), "/socket.io/?EIO=4&transport=polling&sid=a");
        assert_eq!(request.headers()["host"], "a");
        let other = |head: String| poll_of(head.as_bytes()).is_none();
        assert!(other(POLL.to_owned()), "it is not whole");
        assert!(other(format!("{POLL}Content-Length: 1\r\n\r\nx")));
        assert!(other(format!("{POLL}transfer-encoding: chunked\r\n\r\n")));
        assert!(other(format!("{POLL}Upgrade: websocket\r\n\r\n")));
        assert!(other(format!("{POLL}\r\n").replace("GET", "POST")));
        assert!(other(format!("{POLL}\r\n").replace("1.1", "1.0")));
        assert!(other(format!("{POLL}\r\n").replace("&sid=a", "")));
    }
}
