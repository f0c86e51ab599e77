//! A worker on sticky's library: `POST /echo` answers with what was sent, `GET /whoami` with who
//! answers; `GET /hang` never ends, and keeps everything else from going on. `POST /ignore` does not read
//! what was sent, `GET /large` answers with much, and `GET /shout` becomes a protocol that sends back all in
//! capitals. `POST /later` answers at once and reads what was sent in a task of its own, which keeps the body; `POST /held` leaves it
//! unread until `POST /release` drops the oldest.
//!
//! ```text
//! sticky-test-worker [HEAD IDLE BODY ANSWER]      how long clients may take, in milliseconds
//! ```

use std::collections::VecDeque;
use std::env;
use std::future::{pending, poll_fn};
use std::io::Write;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request};
use axum::http::{StatusCode, header};
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper_util::rt::TokioIo;
use serde_json::json;
use sticky_worker::{Timeouts, Worker};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const LARGEST_BODY: usize = 64 << 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), sticky_worker::Error> {
    let worker = Worker::from_env()?.with_timeouts(timeouts());
    let (slot, mode) = (worker.slot(), worker.mode().to_owned());
    let whoami = async move |ConnectInfo(peer): ConnectInfo<SocketAddr>| {
        Json(json!({ "slot": slot, "pid": std::process::id(), "peer": peer, "mode": mode }))
    };
    let held = Arc::new(Mutex::new(VecDeque::new()));
    let hold = {
        let held = Arc::clone(&held);
        async move |body: Body| {
            held.lock().unwrap_or_else(PoisonError::into_inner).push_back(body);
            StatusCode::ACCEPTED
        }
    };
    let release = async move || {
        let oldest = held.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        if oldest.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND }
    };
    let router = Router::new()
        .route("/later", post(later))
        .route("/held", post(hold))
        .route("/release", post(release))
        .route("/echo", post(async |body: Bytes| body))
        .route("/whoami", get(whoami))
        .route("/hang", get(hang))
        .route("/ignore", post(async || "ignored"))
        .route("/large", get(async || vec![b'x'; LARGEST_BODY]))
        .route("/shout", get(shout))
        .layer(DefaultBodyLimit::max(LARGEST_BODY));
    let draining = worker.draining();
    tokio::spawn(async move {
        draining.begun().await;
        let line = format!("the test worker of slot {slot} drains\n");
        // In one piece: others write to the same place.
        let _ = std::io::stderr().write_all(line.as_bytes());
    });
    worker.serve(router).await
}

async fn later(mut body: Body) -> StatusCode {
    tokio::spawn(async move {
        while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {}
        // Kept: hyper tells the connection of a body that is dropped, and not of one that was read.
        pending::<()>().await;
        drop(body);
    });
    StatusCode::ACCEPTED
}

async fn hang() {
    let _ = std::io::stderr().write_all(b"the test worker hangs\n");
    loop {
        std::hint::spin_loop();
    }
}

fn timeouts() -> Timeouts {
    let given: Vec<u64> = env::args().skip(1).filter_map(|one| one.parse().ok()).collect();
    let [head, idle, body, answer] = given[..] else { return Timeouts::default() };
    let time = Duration::from_millis;
    Timeouts::default().head(time(head)).idle(time(idle)).body(time(body)).answer(time(answer))
}

/// An upgrade of the application's own.
async fn shout(request: Request) -> (StatusCode, [(header::HeaderName, &'static str); 2]) {
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        let mut stream = TokioIo::new(upgraded);
        let mut buffer = [0; 100];
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            buffer.make_ascii_uppercase();
            let _ = stream.write_all(&buffer[..length]).await;
        }
    });
    let headers = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "shout")];
    (StatusCode::SWITCHING_PROTOCOLS, headers)
}
