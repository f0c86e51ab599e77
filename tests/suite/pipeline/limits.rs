//! Clients that are slow, and more clients than may be.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use super::*;

/// What a slow client may take here, in milliseconds.
const SHORT: u32 = 400;

#[test]
fn half_open_heads_are_gone_after_the_limit() {
    const CLIENTS: usize = 300;
    let sticky = server([SHORT, LONG, LONG, LONG]);
    let mut neighbour = Client::of(&sticky);
    neighbour.is_served();
    let parts = ["", "G", "GET /whoami HTTP/1.1\r\nHost: te"];
    let clients: Vec<Client> = (0..CLIENTS).map(|_| Client::of(&sticky)).collect();
    for (client, part) in clients.iter().zip(parts.iter().cycle()) {
        client.say(part);
    }
    neighbour.is_served();
    for mut client in clients {
        assert_eq!(client.rest(), "");
    }
    // Behind a request it is the same; between two a client may take longer.
    let mut client = Client::of(&sticky);
    client.say([WHOAMI, "GET /"].concat());
    assert_eq!(client.answer().status, 200);
    assert_eq!(client.rest(), "");
    neighbour.is_served();
    sticky.stop();
}

#[test]
fn idle_connections_are_gone_after_theirs() {
    let sticky = server([LONG, SHORT, LONG, LONG]);
    let mut client = Client::of(&sticky);
    client.is_served();
    assert_eq!(client.rest(), "");
    sticky.stop();
}

/// A byte now and then is not enough.
#[test]
fn bodies_that_hardly_come() {
    let sticky = server([LONG, LONG, SHORT, LONG]);
    let mut client = Client::of(&sticky);
    client.say("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\n");
    let trickle = client.stream().try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while (&trickle).write_all(b"x").is_ok() {
                #[expect(clippy::disallowed_methods, reason = "the client is slow")]
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let answer = client.answer();
        assert!(answer.status >= 400, "{answer:?}");
        assert_eq!(client.rest(), "");
    });
    sticky.stop();
}

#[test]
fn clients_that_read_nothing() {
    const CLIENTS: usize = 10;
    let sticky = server([LONG, LONG, LONG, SHORT]);
    let mut neighbour = Client::of(&sticky);
    neighbour.is_served();
    let clients: Vec<Client> = (0..CLIENTS).map(|_| Client::of(&sticky)).collect();
    for client in &clients {
        client.say("GET /large HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    neighbour.is_served();
    for client in &clients {
        let mut events = [PollFd::new(client.stream(), PollFlags::HUP)];
        let patience = harness::DEADLINE.try_into().unwrap();
        assert_eq!(poll(&mut events, Some(&patience)).unwrap(), 1, "it is reset");
    }
    neighbour.is_served();
    sticky.stop();
}

/// The oldest idle connection makes room; where none is idle, a new client waits.
#[test]
fn more_clients_than_may_be() {
    let sticky = Sticky::new(Mode::Cbpf, 1)
        .worker([binaries::test_worker()])
        .with("--max-connections", "3")
        .start();
    let mut idle: Vec<Client> = (0..3).map(|_| Client::of(&sticky)).collect();
    // Served one after the other: the second has been idle longest then.
    for at in [1, 0, 2] {
        idle[at].is_served();
    }
    let mut fourth = Client::of(&sticky);
    fourth.is_served();
    assert_eq!(idle.remove(1).rest(), "");

    // Three that are busy.
    let mut busy = idle;
    busy.push(fourth);
    for client in &mut busy {
        client.say("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbo");
    }
    let mut waiting = Client::of(&sticky);
    waiting.say(WHOAMI);
    busy[0].say("dy");
    assert_eq!(busy[0].answer(), ok("body"));
    assert_eq!(busy.remove(0).rest(), "", "it is idle, and another one waits");
    assert_eq!(waiting.answer().status, 200);
    for client in &mut busy {
        client.say("dy");
        assert_eq!(client.answer(), ok("body"));
        client.is_served();
    }
    sticky.stop();
}

#[test]
fn that_there_are_more_is_told_once() {
    let sticky = Sticky::new(Mode::Cbpf, 1).with("--max-connections", "2").start();
    for _ in 0..10 {
        let mut clients = [(); 2].map(|()| Client::of(&sticky));
        clients.iter_mut().for_each(Client::is_served);
    }
    let mut clients = [(); 3].map(|()| Client::of(&sticky));
    clients.iter_mut().for_each(Client::is_served);
    let log = sticky.stop();
    let told = log.matches("as many clients are connected as --max-connections allows (2)").count();
    assert_eq!(told, 1, "{log}");
}
