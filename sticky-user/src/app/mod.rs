//! The reference application: a small chat with rooms, on Socket.IO.
//!
//! It shows which worker serves whom, and knows nothing of the supervisor: it is built on
//! [`sticky_worker`] and [`sticky_bus`] as anybody's application would be. What a
//! client can say is in `chat.rs`, the routes are in `http.rs`.

mod chat;
mod error;
mod http;
mod payload;

use socketioxide::SocketIo;

pub(crate) use error::Error;

use sticky_bus::Adapter;
use sticky_worker::Worker;

/// As much as a client may send at once, in bytes, over either transport.
const MAX_MESSAGE: usize = 1_000_000;

/// Twice the packets that the library lets wait for a client as a rule (2 MiB of 256 bytes each): the other
/// half is for answers.
const MAX_WAITING: usize = 16_384;

/// As much is read of a WebSocket at once: people type little, and most of the time nothing.
const READ_BUFFER: usize = 512;

/// Serves the chat at the slot that the environment names, until the worker is told to end.
pub(crate) async fn run() -> Result<(), Error> {
    let mut worker = Worker::from_env()?;
    let bus = worker.bus().await?;
    let place = chat::Place::of(&worker);

    let socketio = SocketIo::builder()
        .with_adapter::<Adapter<_>>(bus.adapter())
        .max_payload(MAX_MESSAGE as u64)
        .ws_max_message_size(MAX_MESSAGE)
        .ws_max_frame_size(MAX_MESSAGE)
        .ws_read_buffer_size(READ_BUFFER)
        .max_buffer_size(MAX_WAITING);
    let (routes, io) = worker.socketio(socketio, http::routes(&worker));
    // Awaited, so that a worker that is ready hears the others.
    io.ns("/", async move |socket: chat::Socket| chat::welcome(&socket, place)).await?;
    Ok(worker.serve(routes).await?)
}
