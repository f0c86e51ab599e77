//! The client's address in a line of a log.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

/// What logs call it, in the order in which a line is searched: first who has connected, which is what
/// counts, then who a proxy says that it is. Letters only, so that remote_addr, remoteAddr and
/// "Remote-Addr" are one.
const NAMES: [&str; 10] = [
    "remoteaddr",
    "remoteip",
    "remoteaddress",
    "remotehost",
    "clientaddr",
    "clientip",
    "clientaddress",
    "clienthost",
    "client",
    "ip",
];

/// What a line tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Client(IpAddr),
    /// It is empty, or a comment.
    Nothing,
    /// No address is found.
    Unknown,
}

/// Reads a line.
pub(super) fn client(line: &str) -> Line {
    let line = line.trim_start();
    let found = match line.split_whitespace().next() {
        None => return Line::Nothing,
        Some(word) if word.starts_with('#') => return Line::Nothing,
        Some(_) if line.starts_with('{') => {
            serde_json::from_str(line).ok().and_then(|value| in_json(&value))
        }
        Some(word) => address(word),
    };
    found.map_or(Line::Unknown, Line::Client)
}

/// With or without a port.
fn address(text: &str) -> Option<IpAddr> {
    text.parse().or_else(|_| text.parse().map(|with_port: SocketAddr| with_port.ip())).ok()
}

/// In the object itself before those in it.
fn in_json(value: &Value) -> Option<IpAddr> {
    let object = value.as_object()?;
    let named = |wanted: &str| {
        object.iter().find_map(|(name, value)| {
            let letters = name.chars().filter(char::is_ascii_alphabetic);
            let name: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
            value.as_str().filter(|_| name == wanted).and_then(address)
        })
    };
    NAMES.into_iter().find_map(named).or_else(|| object.values().find_map(in_json))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(line: &str) -> Option<String> {
        match client(line) {
            Line::Client(address) => Some(address.to_string()),
            Line::Nothing | Line::Unknown => None,
        }
    }

    #[test]
    fn as_logs_have_it() {
        for line in [
            "10.0.0.1",
            "  10.0.0.1 - - [28/Nov/2026] \"GET /\"",
            "10.0.0.1:4711 GET",
            r#"{"time":1,"remote_addr":"10.0.0.1","status":200}"#,
            r#"{"client_ip":"10.0.0.2","remote_ip":"10.0.0.1"}"#,
            r#"{"msg":"ok","request":{"client_ip":"9.9.9.9","remote_ip":"10.0.0.1"}}"#,
            r#"{"req":{"remoteAddress":"10.0.0.1","remotePort":4711}}"#,
            r#"{"ClientAddr":"10.0.0.1:4711"}"#,
            r#"{"http":{"remote_addr":"-"},"clientip":"10.0.0.1"}"#,
        ] {
            assert_eq!(found(line).as_deref(), Some("10.0.0.1"), "{line}");
        }
        assert_eq!(found("[2001:db8::1]:443 GET").as_deref(), Some("2001:db8::1"));
    }

    #[test]
    fn without_an_address() {
        for line in
            ["127.0.0.999 x", "- 10.0.0.1", "{", "{}", r#"{"ip":7}"#, r#"{"name":"10.0.0.1"}"#]
        {
            assert_eq!(client(line), Line::Unknown, "{line}");
        }
        for line in ["", "  ", "# 10.0.0.1", "  #"] {
            assert_eq!(client(line), Line::Nothing, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read(line: String) {
            let _ = client(&line);
            let _ = client(&format!("{{{line}"));
        }
    }
}
