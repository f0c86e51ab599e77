//! A connection that becomes a WebSocket: the client is answered here, and hyper taken off the stream.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{
    self, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header,
};
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, Bytes, BytesMut};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tungstenite::handshake::derive_accept_key;

use super::limit::Place;
use super::stream::{Stream, Transport};

/// The one version of WebSocket that there is.
const VERSION: &str = "13";

/// What is left of a connection without HTTP.
pub(crate) struct Raw {
    pub(crate) io: Box<dyn Transport>,
    /// What the client has sent already.
    pub(crate) ahead: Bytes,
    pub(crate) place: Place,
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raw").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Knows the type of the stream below hyper. Travels with each request that may become something else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dismantle(fn(Upgraded) -> Option<Raw>);

impl Dismantle {
    pub(crate) fn of<S: Transport>() -> Self {
        Self(|upgraded| {
            let parts = upgraded.downcast::<TokioIo<Stream<S>>>().ok()?;
            let Stream { io, ahead, place, .. } = parts.io.into_inner().rewound(&parts.read_buf);
            Some(Raw { io: Box::new(io), ahead, place })
        })
    }
}

/// Gives what is left when the client has been answered.
#[derive(Debug)]
pub(crate) struct Upgrade {
    on: OnUpgrade,
    dismantle: Dismantle,
}

impl Upgrade {
    /// Takes a request for a WebSocket: the answer to it, and what will be behind it. `None` if it does not
    /// come over a connection of this worker.
    ///
    /// # Errors
    ///
    /// The request is no handshake, or one of another version.
    pub(crate) fn of(request: &mut Request) -> Result<Option<(Self, Response)>, Refusal> {
        let accept = accept_of(request)?;
        let extensions = request.extensions_mut();
        let (Some(on), Some(dismantle)) = (extensions.remove(), extensions.remove()) else {
            return Ok(None);
        };
        let headers = [
            (header::CONNECTION, HeaderValue::from_static("Upgrade")),
            (header::UPGRADE, HeaderValue::from_static("websocket")),
            (header::SEC_WEBSOCKET_ACCEPT, accept),
        ];
        let answer = (StatusCode::SWITCHING_PROTOCOLS, headers).into_response();
        Ok(Some((Self { on, dismantle }, answer)))
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Raw>> {
        let upgraded = ready!(Pin::new(&mut self.on).poll(cx)).map_err(io::Error::other)?;
        let raw = (self.dismantle.0)(upgraded);
        Poll::Ready(raw.ok_or_else(|| io::ErrorKind::Unsupported.into()))
    }
}

/// Why a request for a WebSocket is not answered with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    BadRequest,
    /// The client may try again with the version that it is told.
    OtherVersion,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            // As the engine says it.
            Self::BadRequest => {
                let body = r#"{"code":"3","message":"Bad request"}"#;
                let json = [(header::CONTENT_TYPE, "application/json")];
                (StatusCode::BAD_REQUEST, json, body).into_response()
            }
            Self::OtherVersion => {
                let headers = [
                    (header::CONNECTION, "Upgrade"),
                    (header::UPGRADE, "websocket"),
                    (header::SEC_WEBSOCKET_VERSION, VERSION),
                ];
                (StatusCode::UPGRADE_REQUIRED, headers).into_response()
            }
        }
    }
}

/// What accepts a handshake as RFC 6455 has it (4.2.1).
fn accept_of<B>(request: &http::Request<B>) -> Result<HeaderValue, Refusal> {
    let headers = request.headers();
    let asks = request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && lists(headers, &header::UPGRADE, "websocket")
        && lists(headers, &header::CONNECTION, "upgrade");
    if !asks {
        return Err(Refusal::BadRequest);
    }
    if only(headers, &header::SEC_WEBSOCKET_VERSION) != Some(VERSION.as_bytes()) {
        return Err(Refusal::OtherVersion);
    }
    only(headers, &header::SEC_WEBSOCKET_KEY)
        .filter(|key| is_key(key))
        .and_then(|key| HeaderValue::try_from(derive_accept_key(key)).ok())
        .ok_or(Refusal::BadRequest)
}

/// Whether a header that is a list has this token.
fn lists(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|listed| listed.trim().eq_ignore_ascii_case(token))
}

/// The value of a header that may be there only once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes().trim_ascii())
}

/// Whether these are 16 bytes in base64. The bits of the last digit that mean nothing may be any: some
/// clients draw the digits by lot.
fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.strip_suffix(b"==").is_some_and(|digits| digits.len() == 22 && digits.iter().all(is_digit))
}

/// Puts what the engine keeps of a request, for as long as the session lives, into memory of the right
/// size. hyper's buffer, of which it is a part, has 8 kB.
pub(crate) fn compact(head: &mut Parts) {
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let values = head.headers.values().map(HeaderValue::len).sum::<usize>();
    let mut all = BytesMut::with_capacity(path.len() + values);
    all.put_slice(path.as_bytes());
    for value in head.headers.values() {
        all.put_slice(value.as_bytes());
    }
    let mut rest = all.freeze();
    let path = rest.split_to(path.len());
    let mut headers = HeaderMap::with_capacity(head.headers.len());
    for (name, value) in &head.headers {
        // They were values before.
        if let Ok(value) = HeaderValue::from_maybe_shared(rest.split_to(value.len())) {
            headers.append(name.clone(), value);
        }
    }
    if let Ok(uri) = Uri::from_maybe_shared(path) {
        (head.uri, head.headers) = (uri, headers);
    }
}

/// The same for an URI alone.
pub(crate) fn compact_uri(uri: &Uri) -> Uri {
    Uri::try_from(uri.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compact_head_says_the_same() {
        let request = Request::builder()
            .uri("/socket.io/?EIO=4&transport=polling")
            .header("host", "a")
            .header("x-some", "b")
            .header("x-some", "c")
            .body(());
        let (mut head, ()) = request.unwrap().into_parts();
        let before = (head.uri.clone(), head.headers.clone());
        compact(&mut head);
        assert_eq!((head.uri, head.headers), before);
    }
}
