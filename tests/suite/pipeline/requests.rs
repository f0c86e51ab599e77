//! Requests are answered in order, each once, however their bytes come.

use super::*;

#[test]
fn a_head_that_comes_byte_by_byte() {
    let sticky = patient();
    let mut client = Client::of(&sticky);
    for _ in 0..2 {
        for byte in WHOAMI.bytes() {
            client.say([byte]);
        }
        assert_eq!(client.answer().status, 200);
    }
    for end in ["\n\n", "\n\r\n"] {
        client.say(format!("\r\nGET /whoami HTTP/1.1\nHost: test{end}"));
        assert_eq!(client.answer().status, 200);
    }
    sticky.stop();
}

/// They are no request, and the connection is idle behind them.
#[test]
fn empty_lines_behind_a_request() {
    for lines in ["\r\n", "\r\n\r\n", "\n\n"] {
        let sticky = for_one();
        let mut client = Client::of(&sticky);
        for _ in 0..2 {
            client.say(echo("body") + lines);
            assert_eq!(client.answer(), ok("body"));
        }
        Client::of(&sticky).is_served();
        assert_eq!(client.rest(), "");
        sticky.stop();
    }
}

#[test]
fn what_is_no_request_is_refused_at_once() {
    let sticky = patient();
    for wrong in ["\u{16}\u{3}\u{1}\u{2}", "GET / HTTP/3.7\r\n", "no request at all\r\n"] {
        let mut client = Client::of(&sticky);
        client.say(wrong);
        assert!(client.rest().starts_with("HTTP/1.1 400"), "{wrong:?}");
    }
    let mut client = Client::of(&sticky);
    client.say(format!("GET / HTTP/1.1\r\nHost: test\r\nCookie: {}\r\n\r\n", "x".repeat(100_000)));
    assert!(client.rest().starts_with("HTTP/1.1 431"));
    Client::of(&sticky).is_served();
    sticky.stop();
}

/// Cut in two wherever that may be, and in one piece.
#[test]
fn pipelined_requests_with_bodies() {
    let sticky = patient();
    let chunked = "POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\
                   4\r\nfour\r\n10\r\nGET / HTTP/1.1\r\n\r\n0\r\n\r\n";
    let all = [&echo("one"), WHOAMI, chunked, &echo(""), &echo("GET /"), WHOAMI].concat();
    for cut in 0..all.len() {
        let mut client = Client::of(&sticky);
        let (first, second) = all.split_at(cut);
        client.say(first);
        client.say(second);
        assert_eq!(client.answer(), ok("one"));
        assert_eq!(client.answer().status, 200);
        assert_eq!(client.answer(), ok("fourGET / HTTP/1.1\r\n"));
        assert_eq!(client.answer(), ok(""));
        assert_eq!(client.answer(), ok("GET /"));
        assert_eq!(client.answer().status, 200);
        client.is_served();
    }
    sticky.stop();
}

#[test]
fn a_large_body_and_another_request_behind_it() {
    let sticky = patient();
    let mut client = Client::of(&sticky);
    let large = "large ".repeat(200_000);
    for _ in 0..3 {
        let request = echo(&large) + &echo("small");
        let writer = client.stream().try_clone().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| (&writer).write_all(request.as_bytes()).unwrap());
            assert!(client.answer() == ok(&large));
            assert_eq!(client.answer(), ok("small"));
        });
    }
    sticky.stop();
}

#[test]
fn a_body_that_is_announced() {
    let sticky = patient();
    let mut client = Client::of(&sticky);
    let head = |path| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
        )
    };
    for _ in 0..2 {
        client.say(head("/echo"));
        assert_eq!(client.line(), "http/1.1 100 continue");
        assert_eq!(client.line(), "");
        client.say("body");
        assert_eq!(client.answer(), ok("body"));
    }
    // A client that is not told to go on does not send it: the connection cannot go on.
    client.say(head("/ignore"));
    assert_eq!(client.answer().body, "ignored");
    assert_eq!(client.rest(), "");
    sticky.stop();
}

#[test]
fn http_1_0() {
    let sticky = patient();
    let mut client = Client::of(&sticky);
    client.say("GET /whoami HTTP/1.0\r\n\r\n");
    assert!(client.rest().starts_with("HTTP/1.0 200"));
    let mut client = Client::of(&sticky);
    for _ in 0..2 {
        client.say("GET /whoami HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let answer = client.answer();
        assert!(answer.status == 200 && !answer.closes, "{answer:?}");
    }
    sticky.stop();
}

#[test]
fn answers_without_a_body_and_answers_that_close() {
    let sticky = patient();
    let mut client = Client::of(&sticky);
    client.say("HEAD /whoami HTTP/1.1\r\nHost: test\r\n\r\n");
    assert!(client.line().contains("200"));
    while !client.line().is_empty() {}
    client.say("GET /nothing HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(client.answer().status, 404);
    client.is_served();
    client.say(format!("GET /whoami HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n{WHOAMI}"));
    let answer = client.answer();
    assert!(answer.status == 200 && answer.closes, "{answer:?}");
    assert_eq!(client.rest(), "", "what comes behind the last request is not served");
    sticky.stop();
}

/// A body that the handler does not read is never taken for a request.
#[test]
fn a_body_that_looks_like_requests() {
    let sticky = patient();
    let ignore = |length: usize| {
        format!("POST /ignore HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n")
    };
    // All of it is there: the connection goes on behind it.
    let mut client = Client::of(&sticky);
    client.say(ignore(WHOAMI.len()) + WHOAMI + &echo("next"));
    assert_eq!(client.answer(), ok("ignored"));
    assert_eq!(client.answer(), ok("next"));
    // It is not: the connection ends, whenever the rest comes.
    let body = WHOAMI.repeat(1000);
    for sent in [0, 10, WHOAMI.len() + 3, body.len() / 2] {
        let mut client = Client::of(&sticky);
        client.say(ignore(body.len()) + &body[..sent]);
        assert_eq!(client.answer().body, "ignored");
        let _ = client.stream().write_all(&body.as_bytes()[sent..]);
        assert_eq!(client.rest(), "");
    }
    let chunked = "POST /ignore HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = Client::of(&sticky);
    client.say(format!("{chunked}1000\r\n{WHOAMI}"));
    assert_eq!(client.answer().body, "ignored");
    let _ = client.stream().write_all(WHOAMI.as_bytes());
    assert_eq!(client.rest(), "");
    sticky.stop();
}
