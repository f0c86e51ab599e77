//! A connection and the account of its session.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;
use sticky_bus::backlog::{Backlog, Backlogs};

const LIMIT: usize = 1024;

/// A connection that carries the session of this account, which is behind.
async fn connection(tracker: &TaskTracker) -> (Connection, Arc<Backlog>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let connection = Connection::new(listener.accept().await.unwrap().0, tracker);
    let backlog = Backlog::new(&Backlogs::new(LIMIT));
    connection.websocket.carries(&backlog);
    backlog.put(LIMIT);
    (connection, backlog, client)
}

#[tokio::test]
async fn who_waits_for_a_client_is_told_that_it_went_away() {
    let tracker = TaskTracker::new();
    let (mut connection, backlog, _client) = connection(&tracker).await;
    connection.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").await.unwrap();
    assert!(backlog.is_behind());
    drop(connection);
    assert!(!backlog.is_behind() && !backlog.is_given_up());
}

#[tokio::test]
async fn a_session_outlives_a_websocket_that_it_did_not_go_over_to() {
    let tracker = TaskTracker::new();
    let (connection, backlog, _client) = connection(&tracker).await;
    drop(connection);
    assert!(backlog.is_behind(), "it was refused");
    let (mut connection, backlog, _client) = self::connection(&tracker).await;
    connection.websocket.upgrades(tracker.token());
    connection.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").await.unwrap();
    drop(connection);
    assert!(backlog.is_behind(), "it was on its way");
}
