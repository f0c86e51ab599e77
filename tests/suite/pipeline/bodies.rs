//! Bodies that the application reads, or drops, when it has answered already.

use super::*;

fn post(path: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n")
}

/// The connection is idle when the body was read, and makes room for another client.
#[test]
fn a_body_that_is_read_after_the_answer() {
    let sticky = for_one();
    let mut client = Client::of(&sticky);
    client.say(post("/later", 4) + "bo");
    assert_eq!(client.answer().status, 202);
    client.say("dy");
    let mut other = Client::of(&sticky);
    other.is_served();
    assert_eq!(client.rest(), "");
    sticky.stop();
}

#[test]
fn requests_behind_a_body_that_is_read_after_the_answer() {
    let sticky = patient();
    let mut client = Client::of(&sticky);
    for _ in 0..3 {
        client.say(post("/later", 4) + "body" + WHOAMI);
        assert_eq!(client.answer().status, 202);
        assert_eq!(client.answer().status, 200);
    }
    sticky.stop();
}

/// The connection ends as soon as it is known that the rest of the body is not wanted.
#[test]
fn a_body_that_is_dropped_after_the_answer() {
    let sticky = patient();
    let (mut client, mut other) = (Client::of(&sticky), Client::of(&sticky));
    client.say(post("/held", 100) + "some of it");
    assert_eq!(client.answer().status, 202);
    other.say(post("/release", 0));
    assert_eq!(other.answer().status, 200);
    assert_eq!(client.rest(), "");
    sticky.stop();
}

/// What becomes of one request's body is not taken for what becomes of the next one's.
#[test]
fn a_body_that_is_dropped_when_the_next_request_has_begun() {
    let sticky = patient();
    let (mut client, mut other) = (Client::of(&sticky), Client::of(&sticky));
    let mut release = || {
        other.say(post("/release", 0));
        assert_eq!(other.answer().status, 200);
    };
    client.say(post("/held", 4) + "body" + &post("/held", 10_000));
    assert_eq!(client.answer().status, 202);
    assert_eq!(client.answer().status, 202);
    release();
    client.say("x");
    release();
    let _ = client.stream().write_all(b"x");
    let _ = client.stream().write_all(WHOAMI.as_bytes());
    assert_eq!(client.rest(), "", "the body is not taken for a request");
    sticky.stop();
}
