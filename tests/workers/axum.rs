//! A worker on sticky's library: `POST /echo` answers with what was sent, `GET /whoami` with who
//! answers; `GET /hang` never ends, and keeps everything else from going on.

use std::io::Write;
use std::net::SocketAddr;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use sticky_worker::Worker;

const LARGEST_BODY: usize = 64 << 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), sticky_worker::Error> {
    let worker = Worker::from_env()?;
    let (slot, mode) = (worker.slot(), worker.mode().to_owned());
    let whoami = async move |ConnectInfo(peer): ConnectInfo<SocketAddr>| {
        Json(json!({ "slot": slot, "pid": std::process::id(), "peer": peer, "mode": mode }))
    };
    let router = Router::new()
        .route("/echo", post(async |body: Bytes| body))
        .route("/whoami", get(whoami))
        .route("/hang", get(hang))
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
