//! Connections that become something else.

use super::*;

/// A request for a WebSocket, as it should be.
fn handshake(query: &str) -> String {
    format!(
        "GET /socket.io/?{query} HTTP/1.1\r\nHost: test\r\nConnection: keep-alive, Upgrade\r\n\
         Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

const OPENS: &str = "EIO=4&transport=websocket";
const POLLS: &str = "EIO=4&transport=polling";

#[test]
fn an_upgrade_of_the_applications_own() {
    let sticky = patient();
    let mut client = Client::of(&sticky);
    client.is_served();
    client.say(
        "GET /shout HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\nhel",
    );
    assert_eq!(client.answer().status, 101);
    client.say("lo");
    let mut shouted = [0; 5];
    client.0.read_exact(&mut shouted).unwrap();
    assert_eq!(&shouted, b"HELLO");
    sticky.stop();
}

/// What a client sends together with its request for a WebSocket is not lost.
#[test]
fn a_websocket_whose_first_message_comes_with_the_request() {
    let sticky = Sticky::new(Mode::Cbpf, 1).start();
    let mut client = Client::of(&sticky);
    client.is_served();
    client.say(
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: test\r\n\
          Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x82\0\0\0\x0040",
    );
    assert!(client.line().contains("101"));
    let mut accepts = false;
    loop {
        match client.line().as_str() {
            "" => break,
            line => accepts |= line == "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=",
        }
    }
    assert!(accepts);
    for begins in ["0{\"sid\":", "40{\"sid\":"] {
        let message = client.message();
        assert!(message.starts_with(begins), "{message}");
    }
    sticky.stop();
}

#[test]
fn requests_for_a_websocket_that_the_engine_refuses() {
    let sticky = Sticky::new(Mode::Cbpf, 1).start();
    for query in ["EIO=3&transport=websocket", "EIO=4&transport=websocket&sid=wrong", "EIO=4"] {
        let mut client = Client::of(&sticky);
        client.say(handshake(query));
        assert_eq!(client.answer().status, 400, "{query}");
        client.is_served();
    }
    sticky.stop();
}

#[test]
fn handshakes_that_are_none() {
    let sticky = Sticky::new(Mode::Cbpf, 1).start();
    let good = handshake(OPENS);
    for (status, part, wrong) in [
        (101, "", ""),
        (426, "Version: 13", "Version: 8"),
        (426, "Sec-WebSocket-Version: 13\r\n", ""),
        (426, "Version: 13", "Version: 13\r\nSec-WebSocket-Version: 13"),
        (400, "Upgrade: WebSocket\r\n", ""),
        (400, "Upgrade: WebSocket", "Upgrade: websockets, h2c"),
        (101, "Upgrade: WebSocket", "Upgrade: h2c, websocket"),
        (400, "Connection: keep-alive, Upgrade\r\n", ""),
        (400, "keep-alive, Upgrade", "keep-alive, Upgrades"),
        (400, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
        (400, "bXBsZSBub25jZQ==", "bXBsZSBub25j"),
        (400, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=A"),
        (400, "dGhlIHNhbXBsZSBub25jZQ==", "dGhl-HNhbXBsZSBub25jZQ=="),
        (400, "dGhlIHNhbXBsZSBub25jZQ==", "short"),
        (400, "GET", "POST"),
        (400, "GET", "PUT"),
        (400, "HTTP/1.1", "HTTP/1.0"),
    ] {
        let request = good.replacen(part, wrong, 1);
        let mut client = Client::of(&sticky);
        client.say(&request);
        assert_eq!(client.answer().status, status, "{request}");
        // Nor is one for a session that there is not.
        if status != 101 {
            let mut client = Client::of(&sticky);
            client.say(request.replacen(OPENS, &format!("{OPENS}&sid={UNKNOWN}"), 1));
            assert_eq!(client.answer().status, status, "{request}");
        }
    }
    let mut client = Client::of(&sticky);
    client.say(good.replacen("Version: 13", "Version: 14", 1));
    let mut head = Vec::new();
    while head.last().is_none_or(|line: &String| !line.is_empty()) {
        head.push(client.line());
    }
    for line in ["sec-websocket-version: 13", "upgrade: websocket"] {
        assert!(head.iter().any(|told| told == line), "{head:?}");
    }
    client.is_served();
    sticky.stop();
}

/// An id as the engine chooses them.
const UNKNOWN: &str = "AAAAAAAAAAAAAAAA";

#[test]
fn a_websocket_for_a_session_that_there_is_not() {
    let sticky = Sticky::new(Mode::Cbpf, 1).start();
    let mut client = Client::of(&sticky);
    client.say(handshake(&format!("{OPENS}&sid={UNKNOWN}")));
    let answer = client.answer();
    assert!(answer.status == 400 && answer.body.contains("Session ID unknown"), "{answer:?}");
    client.is_served();
    sticky.stop();
}

/// The first one goes on, before the session has gone over to it and after that.
#[test]
fn a_second_websocket_for_a_session() {
    let sticky = Sticky::new(Mode::Cbpf, 1).worker([binaries::greeter()]).start();
    let mut poller = Client::of(&sticky);
    poller.say(format!("GET /socket.io/?{POLLS} HTTP/1.1\r\nHost: test\r\n\r\n"));
    let opened = poller.answer().body;
    let id = opened.split('"').nth(3).unwrap();
    let session = format!("{OPENS}&sid={id}");
    poller.say(format!(
        "POST /socket.io/?{POLLS}&sid={id} HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\n40"
    ));
    assert_eq!(poller.answer(), ok("ok"));
    poller.say(format!("GET /socket.io/?{POLLS}&sid={id} HTTP/1.1\r\nHost: test\r\n\r\n"));
    assert!(poller.answer().body.starts_with("40{"));

    let second_is_refused = || {
        let mut second = Client::of(&sticky);
        for _ in 0..2 {
            second.say(handshake(&session));
            assert_eq!(second.answer().status, 400);
        }
    };
    let mut first = Client::of(&sticky);
    first.say(handshake(&session));
    assert_eq!(first.answer().status, 101);
    second_is_refused();
    first.send("2probe");
    assert_eq!(first.message(), "3probe");
    second_is_refused();
    first.send("5");
    first.send(r#"420["greet","one"]"#);
    assert_eq!(first.event(), r#"430["Hello, one!"]"#);
    second_is_refused();
    first.send(r#"421["greet","two"]"#);
    assert_eq!(first.event(), r#"431["Hello, two!"]"#);
    sticky.stop();
}

impl Client {
    /// Sends a short message, under a mask of zeros.
    fn send(&self, message: &str) {
        let length = 0x80 | u8::try_from(message.len()).unwrap();
        self.say([&[0x81, length, 0, 0, 0, 0], message.as_bytes()].concat());
    }

    /// The next message that is not the engine's ping.
    fn event(&mut self) -> String {
        loop {
            let message = self.message();
            if message != "2" {
                return message;
            }
        }
    }

    fn message(&mut self) -> String {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).unwrap();
        let mut message = vec![0; usize::from(head[1])];
        if head[1] == 126 {
            self.0.read_exact(&mut head).unwrap();
            message = vec![0; usize::from(u16::from_be_bytes(head))];
        }
        self.0.read_exact(&mut message).unwrap();
        String::from_utf8(message).unwrap()
    }
}
