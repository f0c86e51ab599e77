//! What a request has to do with sessions.

use axum::http::{Method, Request};

/// A request to Engine.IO.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// Opens a session by long-polling.
    OpensPolling,
    /// Opens a session over a WebSocket.
    OpensWebsocket,
    /// Lets a session go over to a WebSocket.
    Upgrades(&'a str),
    /// Brings packets.
    Brings(&'a str),
    /// Fetches packets, or waits for some.
    Fetches(&'a str),
    /// Something that the engine refuses.
    Other,
}

impl<'a> Kind<'a> {
    pub(super) fn of<B>(request: &'a Request<B>) -> Self {
        let query = request.uri().query().unwrap_or_default();
        let value = |name: &str| {
            query.split('&').find_map(|parameter| parameter.strip_prefix(name)?.strip_prefix('='))
        };
        match (request.method(), value("transport"), value("sid")) {
            (&Method::GET, Some("polling"), None) => Self::OpensPolling,
            (&Method::GET, Some("websocket"), None) => Self::OpensWebsocket,
            (&Method::GET, Some("websocket"), Some(id)) => Self::Upgrades(id),
            (&Method::POST, Some("polling"), Some(id)) => Self::Brings(id),
            (&Method::GET, Some("polling"), Some(id)) => Self::Fetches(id),
            _ => Self::Other,
        }
    }
}

/// The id in the packet "open", which answers the request that opens a session by long-polling.
pub(super) fn opened(packet: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Open {
        sid: String,
    }
    let open: Open = serde_json::from_slice(packet.strip_prefix(b"0")?).ok()?;
    Some(open.sid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for (method, query, kind) in [
            ("GET", "EIO=4&transport=polling&t=x", Kind::OpensPolling),
            ("GET", "EIO=4&transport=websocket", Kind::OpensWebsocket),
            ("GET", "EIO=4&transport=websocket&sid=a", Kind::Upgrades("a")),
            ("GET", "sid=a&EIO=4&transport=polling", Kind::Fetches("a")),
            ("POST", "EIO=4&transport=polling&sid=a", Kind::Brings("a")),
            ("POST", "EIO=4&transport=polling", Kind::Other),
            ("GET", "EIO=4&sid=a", Kind::Other),
            ("GET", "", Kind::Other),
        ] {
            let uri = format!("/socket.io/?{query}");
            let request = Request::builder().method(method).uri(uri).body(()).unwrap();
            assert_eq!(Kind::of(&request), kind, "{method} {query}");
        }
    }

    #[test]
    fn ids() {
        assert_eq!(opened(br#"0{"sid":"AbC_-1","upgrades":[]}"#).as_deref(), Some("AbC_-1"));
        for other in [&b"0{}"[..], b"", b"1", b"4{\"sid\":\"a\"}", b"0{\"sid\":1}", b"0\xff"] {
            assert_eq!(opened(other), None);
        }
    }
}
