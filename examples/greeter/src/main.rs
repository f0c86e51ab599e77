//! Somebody else's application: a Socket.IO server that greets, served by `sticky`.
//!
//! ```text
//! cargo build -p greeter
//! sticky run -- ./target/debug/greeter
//! ```

use anyhow::Result;
use axum::Router;
use axum::routing::get;
use socketioxide::SocketIo;
use socketioxide::adapter::Emitter;
use socketioxide::extract::{AckSender, Data, SocketRef};
use sticky_bus::Adapter;
use sticky_worker::Worker;

type Socket = SocketRef<Adapter<Emitter>>;
type Ack = AckSender<Adapter<Emitter>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut worker = Worker::from_env()?;
    let bus = worker.bus().await?;
    let slot = worker.slot();

    let routes =
        Router::new().route("/", get(move || async move { format!("slot {slot} greets you\n") }));
    let socketio = SocketIo::builder()
        .with_adapter::<Adapter<_>>(bus.adapter())
        // Its clients send little: a WebSocket that waits costs less like this.
        .ws_read_buffer_size(512);
    let (routes, io) = worker.socketio(socketio, routes);
    io.ns("/", async |socket: Socket| socket.on("greet", greet)).await?;
    Ok(worker.serve(routes).await?)
}

/// Tells everyone else, on every worker, and answers whoever said the name.
async fn greet(socket: Socket, Data(name): Data<String>, ack: Ack) {
    socket.broadcast().emit("greeted", &name).await.ok();
    ack.send(&format!("Hello, {name}!")).ok();
}
