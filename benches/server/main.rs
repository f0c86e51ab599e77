//! One application on two foundations: sticky's library, and `axum::serve`.
//!
//! ```text
//! sticky-bench-server               a worker on the listener that it inherits
//! sticky-bench-server stock SLOT    axum::serve with its defaults; the listener is standard input
//! ```

mod large;

use std::env;
use std::io::stdin;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use large::Large;
use serde_json::{Value, json};
use socketioxide::SocketIo;
use socketioxide::adapter::{Adapter, Emitter};
use socketioxide::extract::{AckSender, Data, SocketRef};
use sticky_worker::{SlotId, Worker};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => on_sticky().await,
        ["stock", slot] => stock(slot.parse()?).await,
        _ => bail!("usage: sticky-bench-server [stock SLOT]"),
    }
}

async fn on_sticky() -> Result<()> {
    let mut worker = Worker::from_env()?;
    let adapter = worker.bus().await?.adapter();
    let socketio = SocketIo::builder()
        .with_adapter::<sticky_bus::Adapter<_>>(adapter)
        .ws_read_buffer_size(512);
    let routes = routes(worker.slot(), worker.mode().to_owned());
    let (routes, io) = worker.socketio(socketio, routes);
    io.ns("/", async |socket: SocketRef<sticky_bus::Adapter<Emitter>>| joined(&socket)).await?;
    Ok(worker.serve(routes).await?)
}

async fn stock(slot: SlotId) -> Result<()> {
    // As `sticky launch` begins one for each worker: the kernel may share the CPU out among sessions first
    // (autogroup, sched(7)), and the two are to be scheduled alike.
    rustix::process::setsid().context("cannot begin a session")?;
    let listener = stdin().as_fd().try_clone_to_owned().context("standard input is not open")?;
    let listener = TcpListener::from(listener);
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (layer, io) = SocketIo::builder().build_layer();
    io.ns("/", async |socket: SocketRef| joined(&socket));
    let routes = routes(slot, "stock".into()).layer(layer);
    axum::serve(listener, routes.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

/// Sends back what it gets, as the reference application does.
fn joined<A: Adapter>(socket: &SocketRef<A>) {
    socket.on("echo", async |Data::<Value>(any), ack: AckSender<A>| {
        // Without an answer the client sees that it failed.
        let _ = ack.send(&any);
    });
}

fn routes(slot: SlotId, mode: String) -> Router {
    let whoami = async move |ConnectInfo(peer): ConnectInfo<SocketAddr>| {
        // A text, since the order counts: the slot comes first.
        let (pid, mode) = (std::process::id(), json!(mode));
        let text = format!(r#"{{"slot":{slot},"pid":{pid},"peer":"{peer}","mode":{mode}}}"#);
        ([("content-type", "application/json")], text)
    };
    Router::new()
        .route("/whoami", get(whoami))
        .route("/large", get(async || Body::from_stream(Large::new())))
        .route("/taken", post(async |body: Bytes| body.len().to_string()))
}
