//! Connections that become something else.

use super::*;

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
        let mut head = [0; 2];
        client.0.read_exact(&mut head).unwrap();
        let mut message = vec![0; usize::from(head[1])];
        if head[1] == 126 {
            client.0.read_exact(&mut head).unwrap();
            message = vec![0; usize::from(u16::from_be_bytes(head))];
        }
        client.0.read_exact(&mut message).unwrap();
        let message = String::from_utf8(message).unwrap();
        assert!(message.starts_with(begins), "{message}");
    }
    sticky.stop();
}

#[test]
fn requests_for_a_websocket_that_the_engine_refuses() {
    let sticky = Sticky::new(Mode::Cbpf, 1).start();
    for query in ["EIO=3&transport=websocket", "EIO=4&transport=websocket&sid=wrong", "EIO=4"] {
        let mut client = Client::of(&sticky);
        client.say(format!(
            "GET /socket.io/?{query} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ));
        assert_eq!(client.answer().status, 400, "{query}");
        client.is_served();
    }
    sticky.stop();
}
