//! A WebSocket and the account of its session.

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use super::*;
use crate::idle::Idle;
use crate::limit::Limit;
use crate::upgrade::Raw;
use bytes::Bytes;
use sticky_bus::backlog::{Backlog, Backlogs};

const LIMIT: usize = 1024;
const PACKET: &[u8] = &[0x81, 1, b'2'];

/// A WebSocket that carries the session of this account, which is behind.
async fn stream(
    begin: fn(Arc<Backlog>, &TaskTracker) -> Arc<Websocket>,
) -> (WebsocketStream, Arc<Backlog>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (io, _) = listener.accept().await.unwrap();
    let backlog = Backlog::new(&Backlogs::new(LIMIT));
    backlog.put(LIMIT);
    let tracker = TaskTracker::new();
    let place = Limit::new(tracker.clone(), None, Idle::default()).beyond();
    let raw = Raw { io: Box::new(io), ahead: Bytes::new(), place };
    let stream =
        WebsocketStream::over(Link::Here(raw), begin(Arc::clone(&backlog), &tracker), None);
    (stream, backlog, client)
}

#[tokio::test]
async fn who_waits_for_a_client_is_told_that_it_went_away() {
    let (mut stream, backlog, _client) =
        stream(|backlog, tracker| Websocket::opening(backlog, tracker.token())).await;
    stream.write_all(PACKET).await.unwrap();
    assert!(backlog.is_behind());
    drop(stream);
    assert!(!backlog.is_behind() && !backlog.is_given_up());
}

#[tokio::test]
async fn a_session_outlives_a_websocket_that_it_did_not_go_over_to() {
    let (mut stream, backlog, _client) =
        stream(|backlog, tracker| Websocket::upgrading(backlog, tracker.token())).await;
    stream.write_all(PACKET).await.unwrap();
    drop(stream);
    assert!(backlog.is_behind(), "it was on its way");
}

#[tokio::test]
async fn an_abandoned_upgrade_is_told_and_a_complete_one_is_not() {
    for complete in [false, true] {
        let (mut stream, _backlog, _client) =
            stream(|backlog, tracker| Websocket::upgrading(backlog, tracker.token())).await;
        let (tell, told) = std::sync::mpsc::channel();
        stream.abandoned = Some(Box::new(move || tell.send(()).unwrap()));
        if complete {
            stream.websocket.has_begun();
        }
        drop(stream);
        assert_eq!(told.recv().is_ok(), !complete);
    }
}
