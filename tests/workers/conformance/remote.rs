//! Clients of other workers, one by one.

use std::sync::{Arc, Mutex, PoisonError};

use rmpv::Value;
use serde_json::{Value as Json, json};
use socketioxide::extract::{AckSender, Data};
use socketioxide::socket::RemoteSocket;

use crate::commands::{collect, text};
use crate::target::{Target, answer};
use crate::{Bused, Io, Socket};

type Ack = AckSender<Bused>;
/// What was fetched last. Whoever has gone meanwhile is still in it.
type Fetched = Arc<Mutex<Vec<Arc<RemoteSocket<Bused>>>>>;
/// The id, and a room or an event.
type To = (String, String);

pub(crate) fn register(socket: &Socket, io: &Io) {
    let fetched = Fetched::default();
    let (known, server) = (Arc::clone(&fetched), io.clone());
    socket.on("fetch", async move |socket: Socket, Data(target): Data<Target>, ack: Ack| {
        answer(ack, fetch(&server, &socket, target, &known).await);
    });
    let known = Arc::clone(&fetched);
    socket.on("emit to one", async move |Data((id, event)): Data<To>, ack: Ack| {
        let emit = async { text(find(&known, &id)?.emit(event, "for you alone").await) };
        answer(ack, emit.await);
    });
    let known = Arc::clone(&fetched);
    socket.on("ask one", async move |Data((id, event)): Data<To>, ack: Ack| {
        let ask = async {
            let one = find(&known, &id)?;
            let acks = text(one.emit_with_ack::<_, Value>(event, "for you alone").await)?;
            Ok::<_, String>(collect(acks).await)
        };
        answer(ack, ask.await);
    });
    let known = Arc::clone(&fetched);
    socket.on("rooms of one", async move |Data(id): Data<String>, ack: Ack| {
        let rooms = async { text(find(&known, &id)?.rooms().await) };
        answer(ack, rooms.await);
    });
    let known = Arc::clone(&fetched);
    socket.on("join one", async move |Data((id, room)): Data<To>, ack: Ack| {
        let join = async { text(find(&known, &id)?.join(room).await) };
        answer(ack, join.await);
    });
    let known = Arc::clone(&fetched);
    socket.on("leave one", async move |Data((id, room)): Data<To>, ack: Ack| {
        let leave = async { text(find(&known, &id)?.leave(room).await) };
        answer(ack, leave.await);
    });
    socket.on("disconnect one", async move |Data(id): Data<String>, ack: Ack| {
        answer(ack, disconnect(&fetched, &id).await);
    });
}

async fn fetch(
    io: &Io,
    socket: &Socket,
    target: Target,
    known: &Fetched,
) -> Result<Vec<Json>, String> {
    let sockets = text(target.of(io, socket)?.fetch_sockets().await)?;
    let describe = |socket: &RemoteSocket<Bused>| {
        let data = socket.data();
        json!({ "id": data.id, "namespace": data.ns.as_str() })
    };
    let described = sockets.iter().map(describe).collect();
    *known.lock().unwrap_or_else(PoisonError::into_inner) =
        sockets.into_iter().map(Arc::new).collect();
    Ok(described)
}

fn find(known: &Fetched, id: &str) -> Result<Arc<RemoteSocket<Bused>>, String> {
    let known = known.lock().unwrap_or_else(PoisonError::into_inner);
    let found = known.iter().find(|socket| socket.data().id.as_str() == id);
    found.cloned().ok_or_else(|| format!("{id} was not among those fetched last"))
}

async fn disconnect(known: &Fetched, id: &str) -> Result<(), String> {
    let one = {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let at = known.iter().position(|socket| socket.data().id.as_str() == id);
        known.swap_remove(at.ok_or_else(|| format!("{id} was not among those fetched last"))?)
    };
    let one = Arc::into_inner(one).ok_or("somebody else is using it")?;
    text(one.disconnect().await)
}
