//! A Socket.IO server whose clients can ask for everything that the adapter does.
//!
//! ```text
//! sticky-conformance [--patient]
//! ```
//!
//! No broadcast with ack ends by the server's time-out here unless a client asks for one, and with
//! `--patient` no question to the other workers does: whoever waits for a time-out waits in vain.

mod commands;
mod remote;
mod target;

use std::env;
use std::error::Error;
use std::io::stderr;
use std::time::Duration;

use axum::Router;
use serde_json::json;
use socketioxide::SocketIo;
use socketioxide::adapter::Emitter;
use socketioxide::extract::SocketRef;
use sticky_bus::Adapter;
use sticky_worker::Worker;
use sticky_worker::throttle::Throttle;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

type Bused = Adapter<Emitter>;
type Io = SocketIo<Bused>;
type Socket = SocketRef<Bused>;

const NAMESPACES: [&str; 2] = ["/", "/other"];
const LARGEST: usize = 4 << 20;
/// As many packets may wait for a client: a test sends more at once than people do.
const MAX_WAITING: usize = 1 << 16;
const FOR_EVER: Duration = Duration::from_hours(1);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // As the supervisor logs, and to the same place.
    let level: LevelFilter = env::var("STICKY_LOG")?.parse()?;
    let log = tracing_subscriber::fmt().with_writer(stderr).with_max_level(level).with_ansi(false);
    log.finish().with(Throttle::of(Throttle::WORKER)).init();
    let mut worker = Worker::from_env()?;
    let bus = worker.bus().await?;
    let adapter = if env::args().any(|argument| argument == "--patient") {
        bus.adapter().with_request_timeout(FOR_EVER)
    } else {
        bus.adapter()
    };
    let socketio = SocketIo::builder()
        .with_adapter::<Bused>(adapter)
        .max_payload(LARGEST as u64)
        .ws_max_message_size(LARGEST)
        .ws_max_frame_size(LARGEST)
        .max_buffer_size(MAX_WAITING)
        .ack_timeout(FOR_EVER);
    let (routes, io) = worker.socketio(socketio, Router::new());
    let slot = worker.slot();
    for namespace in NAMESPACES {
        let server = io.clone();
        io.ns(namespace, async move |socket: Socket| {
            commands::register(&socket, &server);
            remote::register(&socket, &server);
            let welcome = json!({ "slot": slot, "pid": std::process::id(), "id": socket.id });
            // Who is gone already needs none.
            let _ = socket.emit("welcome", &welcome);
        })
        .await?;
    }
    Ok(worker.serve(routes).await?)
}
