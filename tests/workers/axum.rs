//! A worker on sticky's library: `POST /echo` answers with what was sent, `GET /whoami` with who
//! answers; `GET /hang` never ends, and keeps everything else from going on. `POST /ignore` does not read
//! what was sent, `GET /large` answers with much, and `GET /shout` becomes a protocol that sends back all in
//! capitals.
//!
//! ```text
//! sticky-test-worker [HEAD IDLE BODY ANSWER]      how long clients may take, in milliseconds
//! ```

use std::env;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Bytes;
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
    let router = Router::new()
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
    Timeouts { head: time(head), idle: time(idle), body: time(body), answer: time(answer) }
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
