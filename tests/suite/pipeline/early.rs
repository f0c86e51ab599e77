//! Polls of sessions, which wait without hyper.

use super::*;

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n")
}

/// Opens a session. The path at which it polls.
fn session(client: &mut Client) -> String {
    let path = "/socket.io/?EIO=4&transport=polling";
    client.say(get(path, ""));
    let opened = client.answer().body;
    let id = opened.split('"').nth(3).unwrap();
    format!("{path}&sid={id}")
}

/// Joins the namespace: the poll of the session is answered then.
fn join(client: &mut Client, path: &str) {
    client.say(format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\n40"));
    assert_eq!(client.answer(), ok("ok"));
}

#[test]
fn a_request_behind_a_poll_that_waits() {
    let sticky = Sticky::new(Mode::Cbpf, 1).start();
    let (mut client, mut other) = (Client::of(&sticky), Client::of(&sticky));
    for headers in [String::new(), format!("Cookie: {}\r\n", "x".repeat(20_000))] {
        let path = session(&mut client);
        client.say(get(&path, &headers) + WHOAMI);
        join(&mut other, &path);
        assert!(client.answer().body.starts_with("40"));
        assert_eq!(client.answer().status, 200);
    }
    sticky.stop();
}
